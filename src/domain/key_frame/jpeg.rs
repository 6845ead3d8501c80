//! Motion JPEG of RFC 2435: the file that a decoder wants, from the short headers of the packets.

/// Table K.1 of ITU-T T.81, row by row.
#[rustfmt::skip]
const LUMA: [u8; 64] = [
    16, 11, 10, 16, 24, 40, 51, 61,
    12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77,
    24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103, 99,
];
/// Table K.2.
#[rustfmt::skip]
const CHROMA: [u8; 64] = [
    17, 18, 24, 47, 99, 99, 99, 99,
    18, 21, 26, 66, 99, 99, 99, 99,
    24, 26, 56, 99, 99, 99, 99, 99,
    47, 66, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
];
/// The order in which a file lists a table (figure A.6).
#[rustfmt::skip]
const ZIGZAG: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5,
    12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
    58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// The tables of luma and chroma, each as a file lists it.
type Pair = [[u8; 64]; 2];

/// Tables that came with an earlier picture: a camera may send them once and then only their number.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tables {
    kept: Option<(u8, Pair)>,
}

/// What is known of a picture from its first packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// In blocks of 8 pixels.
    width: u8,
    height: u8,
    /// 0 for 4:2:2, 1 for 4:2:0.
    kind: u8,
    restart_interval: u16,
    tables: Pair,
}

/// One packet of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fragment<'a> {
    pub(super) offset: usize,
    /// In the first packet only.
    pub(super) head: Option<Head>,
    pub(super) scan: &'a [u8],
}

/// Reads a payload; `None` when it breaks the format, or is of a kind that no camera that is known sends: 12-bit tables,
/// dynamic types, pictures wider than 2040 pixels.
pub(super) fn fragment<'a>(payload: &'a [u8], tables: &mut Tables) -> Option<Fragment<'a>> {
    let ([_specific, high, middle, low, kind, quality, width, height], rest) =
        payload.split_first_chunk::<8>()?;
    let offset = usize::try_from(u32::from_be_bytes([0, *high, *middle, *low])).ok()?;
    let (restart_interval, rest) = match kind {
        0 | 1 => (0, rest),
        64 | 65 => {
            let ([high, low, _position @ ..], rest) = rest.split_first_chunk::<4>()?;
            (u16::from_be_bytes([*high, *low]), rest)
        }
        _ => return None,
    };
    if offset > 0 {
        return Some(Fragment { offset, head: None, scan: rest });
    }
    if *width == 0 || *height == 0 {
        return None;
    }
    let (pair, scan) = match quality {
        1..=99 => (scaled(*quality), rest),
        128..=255 => tables.read(*quality, rest)?,
        _ => return None,
    };
    let head = Head { width: *width, height: *height, kind: kind & 1, restart_interval, tables: pair };
    Some(Fragment { offset, head: Some(head), scan })
}

impl Tables {
    /// Reads the tables in a packet; those of a picture without any are the ones that came before.
    fn read<'a>(&mut self, quality: u8, rest: &'a [u8]) -> Option<(Pair, &'a [u8])> {
        let ([_zero, precision, high, low], behind) = rest.split_first_chunk::<4>()?;
        let (sent, scan) = behind.split_at_checked(usize::from(u16::from_be_bytes([*high, *low])))?;
        if sent.is_empty() {
            let (known, pair) = self.kept?;
            // 255 says that the tables change with every picture.
            return (known == quality && quality != 255).then_some((pair, scan));
        }
        let (luma, chroma) = sent.split_first_chunk::<64>()?;
        // A single table serves both.
        let chroma = chroma.first_chunk::<64>().unwrap_or(luma);
        if *precision != 0 {
            return None;
        }
        let pair = [*luma, *chroma];
        self.kept = Some((quality, pair));
        Some((pair, scan))
    }
}

/// RFC 2435 appendix A.
fn scaled(quality: u8) -> Pair {
    let quality = u32::from(quality.clamp(1, 99));
    let scale = if quality < 50 { 5_000 / quality } else { 200 - quality * 2 };
    let table = |base: &[u8; 64]| {
        ZIGZAG.map(|at| {
            let value = u32::from(base.get(at).copied().unwrap_or(99));
            u8::try_from(((value * scale + 50) / 100).clamp(1, 255)).unwrap_or(u8::MAX)
        })
    };
    [table(&LUMA), table(&CHROMA)]
}

impl Head {
    /// Width and height in pixels.
    pub(super) fn size(&self) -> (u32, u32) {
        (u32::from(self.width) * 8, u32::from(self.height) * 8)
    }

    /// The file. Huffman tables are left out: RFC 2435 knows the standard ones only, and JPEG decoders take those of a
    /// file without any, as Motion JPEG has always been written.
    pub(super) fn file(&self, scan: &[u8]) -> Vec<u8> {
        let (width, height) = (u16::from(self.width) * 8, u16::from(self.height) * 8);
        let ([wide, narrow], [high, low]) = (width.to_be_bytes(), height.to_be_bytes());
        let mut file = Vec::with_capacity(scan.len().saturating_add(192));
        file.extend_from_slice(&[0xff, 0xd8]);
        for (number, table) in (0..).zip(&self.tables) {
            file.extend_from_slice(&[0xff, 0xdb, 0, 67, number]);
            file.extend_from_slice(table);
        }
        if self.restart_interval > 0 {
            file.extend_from_slice(&[0xff, 0xdd, 0, 4]);
            file.extend_from_slice(&self.restart_interval.to_be_bytes());
        }
        let sampling = if self.kind == 0 { 0x21 } else { 0x22 };
        file.extend_from_slice(&[0xff, 0xc0, 0, 17, 8, high, low, wide, narrow, 3]);
        file.extend_from_slice(&[1, sampling, 0, 2, 0x11, 1, 3, 0x11, 1]);
        file.extend_from_slice(&[0xff, 0xda, 0, 12, 3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0]);
        file.extend_from_slice(scan);
        if !scan.ends_with(&[0xff, 0xd9]) {
            file.extend_from_slice(&[0xff, 0xd9]);
        }
        file
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop, proptest};

    #[test]
    fn the_first_packet_tells_size_and_tables() {
        let payload = [0, 0, 0, 0, 1, 50, 80, 45, 0xaa, 0xbb];
        let first = fragment(&payload, &mut Tables::default()).unwrap();
        let head = first.head.unwrap();
        assert_eq!((first.offset, first.scan, head.size()), (0, &[0xaa, 0xbb][..], (640, 360)));
        // At quality 50 the tables are those of the standard, in zigzag order.
        assert_eq!(head.tables[0][..6], [16, 11, 12, 14, 12, 10]);
        let file = head.file(first.scan);
        assert!(file.starts_with(&[0xff, 0xd8, 0xff, 0xdb]) && file.ends_with(&[0xaa, 0xbb, 0xff, 0xd9]));
    }

    #[test]
    fn tables_are_kept_under_their_number() {
        let mut tables = Tables::default();
        let head = |quality| vec![0, 0, 0, 0, 65, quality, 4, 4, 0, 9, 0xff, 0xff];
        let with = |quality, table: &[u8]| {
            let length = u16::try_from(table.len()).unwrap().to_be_bytes();
            [head(quality), vec![0, 0], length.to_vec(), table.to_vec(), vec![1]].concat()
        };
        assert_eq!(fragment(&with(200, &[]), &mut tables), None, "nothing was sent yet");
        let sent = fragment(&with(200, &[7; 128]), &mut tables).unwrap().head.unwrap();
        assert_eq!((sent.tables, sent.restart_interval), ([[7; 64]; 2], 9));
        assert_eq!(fragment(&with(200, &[]), &mut tables).unwrap().head.unwrap().tables, [[7; 64]; 2]);
        assert_eq!(fragment(&with(201, &[]), &mut tables), None);
        assert_eq!(fragment(&with(200, &[7; 63]), &mut tables), None);
    }

    #[test]
    fn what_no_camera_sends_is_refused() {
        let check =
            |payload: &[u8]| assert_eq!(fragment(payload, &mut Tables::default()), None, "{payload:?}");
        check(&[0, 0, 0, 0, 2, 50, 80, 45]);
        check(&[0, 0, 0, 0, 1, 0, 80, 45]);
        check(&[0, 0, 0, 0, 1, 100, 80, 45]);
        check(&[0, 0, 0, 0, 1, 50, 0, 45]);
        check(&[0, 0, 0, 0, 64, 50, 80, 45, 0]);
        check(&[0, 0, 0]);
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(payload in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut tables = Tables::default();
            if let Some(Fragment { head: Some(head), scan, .. }) = fragment(&payload, &mut tables) {
                assert!(head.file(scan).len() > scan.len());
            }
        }
    }
}
