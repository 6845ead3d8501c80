//! H.264 key frames without an encoder: every macroblock is sent as plain samples (I_PCM), so that what comes out of a
//! decoder is known to the last bit.

/// An Annex B key frame of so many macroblocks across and down; `colour` gives luma, blue and red of each.
pub(super) fn frame(blocks: (u32, u32), colour: impl Fn(u32, u32) -> (u8, u8, u8)) -> Vec<u8> {
    let mut slice = Bits::default();
    // First macroblock 0, I, picture parameters 0, frame number 0, IDR 0, no long-term marks, quantiser, no deblocking.
    [0, 7, 0].into_iter().for_each(|value| slice.golomb(value));
    slice.put(0, 4);
    slice.golomb(0);
    slice.put(0, 2);
    [0, 1].into_iter().for_each(|value| slice.golomb(value));
    for (y, x) in (0..blocks.1).flat_map(|y| (0..blocks.0).map(move |x| (y, x))) {
        let (luma, blue, red) = colour(x, y);
        slice.golomb(25);
        slice.align();
        for (level, count) in [(luma, 256), (blue, 64), (red, 64)] {
            slice.bytes.extend(std::iter::repeat_n(level, count));
        }
    }
    [parameters(blocks), unit(0x65, slice.end())].concat()
}

/// Sequence and picture parameter sets alone.
pub(super) fn parameters(blocks: (u32, u32)) -> Vec<u8> {
    let mut sequence = Bits::default();
    // Baseline, level 5.2; picture order as decoded, no reference frames.
    [66, 0xc0, 52].into_iter().for_each(|value| sequence.put(value, 8));
    [0, 0, 2, 0].into_iter().for_each(|value| sequence.golomb(value));
    sequence.put(0, 1);
    [blocks.0 - 1, blocks.1 - 1].into_iter().for_each(|value| sequence.golomb(value));
    // Frames only, no 8x8 inference, no cropping, no VUI.
    sequence.put(0b1000, 4);
    let mut picture = Bits::default();
    [0, 0].into_iter().for_each(|value| picture.golomb(value));
    picture.put(0, 2);
    [0, 0, 0].into_iter().for_each(|value| picture.golomb(value));
    picture.put(0, 3);
    [0, 0, 0].into_iter().for_each(|value| picture.golomb(value));
    // Deblocking is controlled by the slice.
    picture.put(0b100, 3);
    [unit(0x67, sequence.end()), unit(0x68, picture.end())].concat()
}

fn unit(header: u8, body: Vec<u8>) -> Vec<u8> {
    let mut unit = vec![0, 0, 0, 1, header];
    let mut zeros = 0;
    for byte in body {
        if zeros == 2 && byte <= 3 {
            unit.push(3);
            zeros = 0;
        }
        unit.push(byte);
        zeros = if byte == 0 { zeros + 1 } else { 0 };
    }
    unit
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    /// Bits of the last byte that are still free.
    free: u32,
}

impl Bits {
    fn put(&mut self, value: u32, count: u32) {
        for at in (0..count).rev() {
            if self.free == 0 {
                self.bytes.push(0);
                self.free = 8;
            }
            self.free -= 1;
            let bit = u8::try_from(value >> at & 1).unwrap();
            *self.bytes.last_mut().unwrap() |= bit << self.free;
        }
    }

    /// An unsigned Exp-Golomb code.
    fn golomb(&mut self, value: u32) {
        let length = (value + 1).ilog2();
        self.put(0, length);
        self.put(value + 1, length + 1);
    }

    fn align(&mut self) {
        self.free = 0;
    }

    fn end(mut self) -> Vec<u8> {
        self.put(1, 1);
        self.bytes
    }
}
