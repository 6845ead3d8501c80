//! Whether the scan of a JPEG is whole.
//!
//! A key frame of Motion JPEG that lost bytes on its way through the camera decodes all the same: `jpegdec` says nothing, and
//! `avdec_mjpeg` only where no code fits (of a hundred scans with 40 bytes overwritten it noticed 59). So the codes are counted
//! here: they must make the blocks that the header promises, and use up the scan; and no block may be darker or brighter than
//! any picture, as blocks become behind a difference that is wrong.

/// The Huffman tables of a file without any (ITU-T T.81 K.3 to K.6): how many codes each length has, and the symbols.
const DC_LUMA: [u8; 16] = [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0];
const DC_CHROMA: [u8; 16] = [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0];
const DC_SYMBOLS: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
const AC_LUMA: [u8; 16] = [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125];
const AC_CHROMA: [u8; 16] = [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 119];
#[rustfmt::skip]
const AC_LUMA_SYMBOLS: [u8; 162] = [
    0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07, 0x22, 0x71,
    0x14, 0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15, 0x52, 0xd1, 0xf0, 0x24, 0x33, 0x62, 0x72,
    0x82, 0x09, 0x0a, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x34, 0x35, 0x36, 0x37,
    0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59,
    0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x83,
    0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3,
    0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3,
    0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe1, 0xe2,
    0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa,
];
#[rustfmt::skip]
const AC_CHROMA_SYMBOLS: [u8; 162] = [
    0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71, 0x13, 0x22,
    0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xa1, 0xb1, 0xc1, 0x09, 0x23, 0x33, 0x52, 0xf0, 0x15, 0x62, 0x72, 0xd1,
    0x0a, 0x16, 0x24, 0x34, 0xe1, 0x25, 0xf1, 0x17, 0x18, 0x19, 0x1a, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x35, 0x36,
    0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58,
    0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a,
    0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a,
    0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba,
    0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda,
    0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa,
];

/// Coefficients of a block.
const BLOCK: usize = 64;
/// The mean of a block of 8-bit samples, as the transform has it, is not beyond this (T.81 A.3.3).
const LARGEST_MEAN: i32 = 1024;
/// Longest codes for the difference of a mean, and for a coefficient, of 8-bit samples.
const LARGEST_DC: u8 = 11;
const LARGEST_AC: u8 = 10;

/// Whether the scan of a JPEG file holds all that its header promises and nothing else. A file of a kind that cameras do not
/// send (progressive, in several scans) is not looked at; one whose header cannot be read is not whole.
pub(super) fn is_whole(file: &[u8]) -> bool {
    match read_header(file) {
        Some(Header::Baseline(layout, scan)) => layout.holds(scan).is_some(),
        Some(Header::Other) => true,
        None => false,
    }
}

enum Header<'a> {
    Baseline(Box<Layout>, &'a [u8]),
    Other,
}

/// What the header says of the scan.
struct Layout {
    /// Groups of blocks.
    groups: u32,
    /// Groups between two restart markers; 0 for none.
    restart_interval: u32,
    /// The blocks of a group.
    blocks: Vec<Block>,
    /// The steps of the means, by the number of their table.
    steps: [Option<i32>; 4],
    /// By their number: those for the mean of a block, and those for the rest.
    tables: [[Option<Codes>; 4]; 2],
}

/// A block of a group.
#[derive(Clone, Copy)]
struct Block {
    /// The place of its component, and the number of that one's quantiser.
    component: usize,
    quantiser: usize,
    /// Those of its tables: for its mean, and for the rest.
    mean: usize,
    others: usize,
}

/// A component of the picture.
struct Component {
    number: u8,
    /// How many blocks of it a group has across and down.
    across: u32,
    down: u32,
    quantiser: usize,
}

fn read_header(file: &[u8]) -> Option<Header<'_>> {
    let mut rest = file.strip_prefix(&[0xff, 0xd8])?;
    let standard = |counts, symbols: &[u8]| Codes::new(counts, symbols);
    let mut tables = [
        [standard(&DC_LUMA, &DC_SYMBOLS), standard(&DC_CHROMA, &DC_SYMBOLS), None, None],
        [standard(&AC_LUMA, &AC_LUMA_SYMBOLS), standard(&AC_CHROMA, &AC_CHROMA_SYMBOLS), None, None],
    ];
    let (mut frame, mut restart_interval, mut steps) = (None, 0, [None; 4]);
    loop {
        let ([0xff, marker, high, low], behind) = rest.split_first_chunk::<4>()? else { return None };
        let length = usize::from(u16::from_be_bytes([*high, *low])).checked_sub(2)?;
        let (segment, behind) = behind.split_at_checked(length)?;
        rest = behind;
        match marker {
            // Only the samples of cameras have eight bits.
            0xc0 | 0xc1 if segment.first() != Some(&8) => return Some(Header::Other),
            0xc0 | 0xc1 => frame = Some(read_frame(segment)?),
            0xc2..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcf => return Some(Header::Other),
            0xc4 => read_tables(segment, &mut tables)?,
            0xdb => read_steps(segment, &mut steps)?,
            0xdd => restart_interval = u16::from_be_bytes(*segment.first_chunk()?).into(),
            0xda => {
                let (size, components) = frame?;
                let Some(blocks) = read_scan(segment, &components)? else { return Some(Header::Other) };
                let groups = groups_of(size, &components)?;
                let layout = Layout { groups, restart_interval, blocks, steps, tables };
                return Some(Header::Baseline(Box::new(layout), rest));
            }
            _ => {}
        }
    }
}

fn read_frame(segment: &[u8]) -> Option<((u32, u32), Vec<Component>)> {
    let ([8, high, low, wide, narrow, count], rest) = segment.split_first_chunk::<6>()? else { return None };
    let size = (u16::from_be_bytes([*wide, *narrow]).into(), u16::from_be_bytes([*high, *low]).into());
    let components = rest.chunks_exact(3).take(usize::from(*count)).map(|component| match component {
        [number, sampling, quantiser] => {
            let (across, down) = (u32::from(sampling >> 4), u32::from(sampling & 15));
            let component = Component { number: *number, across, down, quantiser: usize::from(*quantiser) };
            ((1..=4).contains(&across) && (1..=4).contains(&down)).then_some(component)
        }
        _ => None,
    });
    let components = components.collect::<Option<Vec<_>>>()?;
    (!components.is_empty() && components.len() == usize::from(*count)).then_some((size, components))
}

fn read_tables(mut segment: &[u8], tables: &mut [[Option<Codes>; 4]; 2]) -> Option<()> {
    while let Some((place, rest)) = segment.split_first() {
        let (counts, rest) = rest.split_first_chunk::<16>()?;
        let (symbols, rest) = rest.split_at_checked(counts.iter().map(|count| usize::from(*count)).sum())?;
        let table = tables.get_mut(usize::from(place >> 4))?.get_mut(usize::from(place & 15))?;
        *table = Some(Codes::new(counts, symbols)?);
        segment = rest;
    }
    Some(())
}

/// The steps of the means: the first of each table.
fn read_steps(mut segment: &[u8], steps: &mut [Option<i32>; 4]) -> Option<()> {
    while let Some((place, rest)) = segment.split_first() {
        let (step, length) = match (place >> 4, rest) {
            (0, [step, ..]) => (i32::from(*step), 64),
            (1, [high, low, ..]) => (i32::from(u16::from_be_bytes([*high, *low])), 128),
            _ => return None,
        };
        *steps.get_mut(usize::from(place & 15))? = Some(step);
        segment = rest.split_at_checked(length)?.1;
    }
    Some(())
}

/// The blocks of a group; nothing when the scan is not the only one.
fn read_scan(segment: &[u8], components: &[Component]) -> Option<Option<Vec<Block>>> {
    let (count, rest) = segment.split_first()?;
    if usize::from(*count) != components.len() {
        return Some(None);
    }
    let mut blocks = Vec::new();
    for ((named, of), component) in rest.chunks_exact(2).zip(components).zip(0..) {
        let [number, selector] = named else { return None };
        let of_group = if components.len() == 1 { 1 } else { usize::try_from(of.across * of.down).ok()? };
        let (mean, others) = (usize::from(selector >> 4), usize::from(selector & 15));
        let block = Block { component, quantiser: of.quantiser, mean, others };
        (*number == of.number).then(|| blocks.extend(std::iter::repeat_n(block, of_group)))?;
    }
    Some(Some(blocks))
}

/// A picture of one component has groups of one block.
fn groups_of((width, height): (u32, u32), components: &[Component]) -> Option<u32> {
    let most = |of: fn(&Component) -> u32| components.iter().map(of).max();
    let (across, down) =
        if components.len() == 1 { (1, 1) } else { (most(|it| it.across)?, most(|it| it.down)?) };
    width.div_ceil(8 * across).checked_mul(height.div_ceil(8 * down))
}

impl Layout {
    /// Reads all groups; `None` when the scan is not what they make.
    fn holds(&self, scan: &[u8]) -> Option<()> {
        let mut bits = Bits { rest: scan, held: 0, count: 0 };
        let mut means = [0_i32; 256];
        for group in 0..self.groups {
            if group > 0 && self.restart_interval > 0 && group.is_multiple_of(self.restart_interval) {
                bits.restart()?;
                means.fill(0);
            }
            for block in &self.blocks {
                let [of_means, of_others] = &self.tables;
                let codes = of_means.get(block.mean)?.as_ref()?;
                let mean = means.get_mut(block.component)?;
                *mean = mean.checked_add(read_difference(&mut bits, codes)?)?;
                // A file without the table is one that leaves it to a convention: nothing is known of its steps.
                if let Some(step) = self.steps.get(block.quantiser)? {
                    (mean.checked_mul(*step)?.abs() <= LARGEST_MEAN + step).then_some(())?;
                }
                skip_others(&mut bits, of_others.get(block.others)?.as_ref()?)?;
            }
        }
        bits.end()
    }
}

/// By how much the mean of a block differs from that of the one before (T.81 F.2.2.1).
fn read_difference(bits: &mut Bits<'_>, codes: &Codes) -> Option<i32> {
    let length = codes.next(bits).filter(|length| *length <= LARGEST_DC)?;
    if length == 0 {
        return Some(0);
    }
    let value = i32::try_from(bits.ahead() >> (16 - u32::from(length))).ok()?;
    bits.skip(length.into())?;
    let is_negative = value >> (length - 1) == 0;
    Some(if is_negative { value - (1 << length) + 1 } else { value })
}

fn skip_others(bits: &mut Bits<'_>, codes: &Codes) -> Option<()> {
    let mut at = 1;
    while at < BLOCK {
        let symbol = codes.next(bits)?;
        let (zeros, length) = (usize::from(symbol >> 4), symbol & 15);
        match (zeros, length) {
            // What is left of the block is zero.
            (0, 0) => return Some(()),
            (15, 0) => at += 16,
            (_, 1..=LARGEST_AC) => at += zeros + 1,
            _ => return None,
        }
        bits.skip(length.into())?;
    }
    (at == BLOCK).then_some(())
}

/// A Huffman table.
struct Codes {
    /// For each length the first code, how many there are, and where their symbols begin.
    lengths: [(u32, u32, usize); 16],
    symbols: Vec<u8>,
}

impl Codes {
    fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let (mut code, mut begin) = (0_u32, 0_usize);
        let mut lengths = [(0, 0, 0); 16];
        for ((entry, count), length) in lengths.iter_mut().zip(counts).zip(1_u32..) {
            let count = u32::from(*count);
            *entry = (code, count, begin);
            code += count;
            begin += usize::try_from(count).ok()?;
            if code > 1 << length {
                return None;
            }
            code <<= 1;
        }
        Some(Self { lengths, symbols: symbols.into() })
    }

    /// The symbol of the next code.
    fn next(&self, bits: &mut Bits<'_>) -> Option<u8> {
        let ahead = bits.ahead();
        for ((first, count, begin), length) in self.lengths.iter().zip(1_u32..) {
            let code = ahead >> (16 - length);
            if let Some(place) = code.checked_sub(*first).filter(|place| place < count) {
                bits.skip(length)?;
                return self.symbols.get(begin + usize::try_from(place).ok()?).copied();
            }
        }
        None
    }
}

/// The bits of a scan up to the next marker.
struct Bits<'a> {
    rest: &'a [u8],
    /// The lowest `count` bits are those that come next.
    held: u64,
    count: u32,
}

impl Bits<'_> {
    fn fill(&mut self) {
        while self.count <= 48 {
            let (byte, rest) = match self.rest {
                // A byte of ones has a zero behind it; anything else there is a marker.
                [0xff, 0, rest @ ..] => (0xff, rest),
                [0xff, ..] | [] => return,
                [byte, rest @ ..] => (*byte, rest),
            };
            (self.held, self.rest) = (self.held << 8 | u64::from(byte), rest);
            self.count += 8;
        }
    }

    /// The next 16 bits, with zeros behind the last one.
    fn ahead(&mut self) -> u32 {
        if self.count < 16 {
            self.fill();
        }
        let bits =
            if self.count >= 16 { self.held >> (self.count - 16) } else { self.held << (16 - self.count) };
        u32::try_from(bits & 0xffff).unwrap_or_default()
    }

    fn skip(&mut self, count: u32) -> Option<()> {
        if self.count < count {
            self.fill();
        }
        self.count = self.count.checked_sub(count)?;
        Some(())
    }

    /// Goes behind a restart marker, which must be here.
    fn restart(&mut self) -> Option<()> {
        self.fill();
        let ([0xff, 0xd0..=0xd7], rest) = self.rest.split_first_chunk::<2>()? else { return None };
        (self.count < 8).then_some(())?;
        (self.rest, self.held, self.count) = (rest, 0, 0);
        Some(())
    }

    /// Nothing may be left but what fills up: some cameras pad their pictures.
    fn end(mut self) -> Option<()> {
        loop {
            self.fill();
            self.count -= self.count % 8;
            if self.count == 0 {
                return Some(());
            }
            while self.count > 0 {
                self.count -= 8;
                let byte = self.held >> self.count & 0xff;
                (byte == 0 || byte == 0xff).then_some(())?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop, proptest};

    /// A picture of 4:2:0 with standard tables.
    fn file((width, height): (u8, u8), restart_interval: u8, scan: &[u8]) -> Vec<u8> {
        [
            &[0xff, 0xd8, 0xff, 0xdd, 0, 4, 0, restart_interval][..],
            &[0xff, 0xc0, 0, 17, 8, 0, height, 0, width, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1],
            &[0xff, 0xda, 0, 12, 3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0],
            scan,
            &[0xff, 0xd9],
        ]
        .concat()
    }

    fn file_of_one_plane((width, height): (u8, u8), scan: &[u8]) -> Vec<u8> {
        [
            &[0xff, 0xd8, 0xff, 0xc0, 0, 11, 8, 0, height, 0, width, 1, 1, 0x11, 0][..],
            &[0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0],
            scan,
            &[0xff, 0xd9],
        ]
        .concat()
    }

    /// A grey group: four times mean 00 and end 1010, two times mean 00 and end 00.
    const GREY: [u8; 4] = [0x28, 0xa2, 0x8a, 0x00];

    fn check(size: (u8, u8), restart_interval: u8, scan: &[u8], expected: bool) {
        assert_eq!(is_whole(&file(size, restart_interval, scan)), expected, "{scan:02x?}");
    }

    #[test]
    fn a_scan_has_as_many_blocks_as_its_header_promises() {
        check((16, 16), 0, &GREY, true);
        check((17, 16), 0, &GREY, false);
        check((32, 16), 0, &GREY.repeat(2), true);
        check((16, 16), 0, &GREY.repeat(2), false);
        check((16, 16), 0, &GREY[..3], false);
        check((16, 16), 0, &[&GREY[..], &[0xff, 0, 0, 0]].concat(), true);
        // No code consists of ones.
        check((16, 16), 0, &[0xff, 0, 0xff, 0], false);
    }

    #[test]
    fn no_block_is_brighter_than_any_picture() {
        // The mean differs by 255 (code 111110, then eight ones), and the block ends (1010).
        let bright = [0b1111_1011, 0b1111_1110, 0b1011_1111];
        let quantised = |step: u8| {
            let grey =
                |file: Vec<u8>| [&file[..2], &[0xff, 0xdb, 0, 67, 0][..], &[step; 64], &file[2..]].concat();
            grey(file_of_one_plane((8, 8), &bright))
        };
        assert!(is_whole(&quantised(4)), "1020");
        assert!(!is_whole(&quantised(5)), "1275");
        assert!(is_whole(&file_of_one_plane((8, 8), &bright)), "a convention");
    }

    #[test]
    fn restart_markers_are_where_the_header_promises() {
        let with = |marker: &[u8]| [&GREY[..], marker, &GREY].concat();
        check((32, 16), 1, &with(&[0xff, 0xd0]), true);
        check((32, 16), 1, &with(&[]), false);
        check((32, 16), 0, &with(&[0xff, 0xd0]), false);
        check((32, 16), 1, &with(&[0x28, 0xff, 0xd0]), false);
    }

    #[test]
    fn what_has_no_header_is_not_whole() {
        let whole = file((16, 16), 0, &GREY);
        (0..whole.len() - 6).for_each(|length| assert!(!is_whole(&whole[..length]), "{length}"));
        let mut progressive = whole;
        progressive[9] = 0xc2;
        assert!(is_whole(&progressive), "nobody looks");
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(scan in prop::collection::vec(any::<u8>(), 0..300), at in 0..40_usize, byte in any::<u8>()) {
            is_whole(&scan);
            let mut file = file((40, 40), 2, &scan);
            file[at] = byte;
            is_whole(&file);
        }
    }
}
