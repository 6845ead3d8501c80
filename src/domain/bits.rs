//! The bits of a unit of H.264 or H.265.

/// Drops the byte 3 of every 00 00 03.
pub fn without_emulation_prevention(unit: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(unit.len());
    let mut zeros = 0;
    for byte in unit {
        if zeros >= 2 && *byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        body.push(*byte);
    }
    body
}

/// Reads bits, most significant first; `None` behind the last one.
#[derive(Clone, Debug)]
pub struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    /// The bits of `bytes`, from the first on.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The number that the next `count` bits make; the highest 32 of more are lost.
    pub fn take(&mut self, count: u32) -> Option<u32> {
        let mut value: u32 = 0;
        for _ in 0..count {
            let byte = self.bytes.get(self.at / 8)?;
            let bit = (byte >> (7 - self.at % 8)) & 1;
            value = (value << 1) | u32::from(bit);
            self.at += 1;
        }
        Some(value)
    }

    /// The next bit.
    pub fn flag(&mut self) -> Option<bool> {
        Some(self.take(1)? == 1)
    }

    /// Leaves `count` bits out.
    pub fn skip(&mut self, count: u32) -> Option<()> {
        self.at = self.at.checked_add(usize::try_from(count).ok()?)?;
        (self.at <= self.bytes.len().checked_mul(8)?).then_some(())
    }

    /// `ue(v)` of Rec. ITU-T H.264 and H.265.
    pub fn exp_golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.take(1)? == 0 {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let rest = self.take(zeros)?;
        (1_u32 << zeros).checked_add(rest)?.checked_sub(1)
    }

    /// `se(v)` of Rec. ITU-T H.264 and H.265.
    pub fn signed_exp_golomb(&mut self) -> Option<i64> {
        let code = i64::from(self.exp_golomb()?);
        Some(if code % 2 == 0 { -code / 2 } else { (code + 1) / 2 })
    }

    /// Goes behind a one and the zeros that fill its byte up; what byte that is.
    pub fn align(&mut self) -> Option<usize> {
        self.flag()?.then_some(())?;
        while !self.at.is_multiple_of(8) {
            (!self.flag()?).then_some(())?;
        }
        Some(self.at / 8)
    }
}
