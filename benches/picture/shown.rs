//! What came out of the decoder, and the file that keeps it for another judgement.

use sharpeyes::domain::decode::DecodedPicture;
use sharpeyes::domain::picture::{Chroma, Luma, Picture, SMALL_WIDTH, crop_size};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A look.
#[derive(Debug)]
pub(super) enum Shown {
    /// A picture of which the decoder did not complain.
    Picture(Box<DecodedPicture>),
    /// None, or one of which it did.
    Broken,
}

impl Shown {
    /// CPU time of the decoder.
    pub(super) fn cost(&self) -> Option<Duration> {
        match self {
            Self::Picture(decoded) => Some(decoded.cost),
            Self::Broken => None,
        }
    }

    /// The picture as it is judged.
    pub(super) fn picture(&self) -> Option<Picture> {
        match self {
            Self::Picture(decoded) => Some(decoded.picture.clone()),
            Self::Broken => None,
        }
    }
}

/// The folder of what was decoded once.
#[derive(Clone, Debug)]
pub(super) struct Album(PathBuf);

impl Album {
    pub(super) fn new(folder: &Path) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        Self(folder.to_owned())
    }

    /// The pictures that are kept under a name, or those that are made now and kept.
    pub(super) fn get_or(&self, name: &str, make: impl FnOnce() -> Vec<Shown>) -> Vec<Shown> {
        let path = self.0.join(name);
        if let Ok(bytes) = std::fs::read(&path) {
            let mut bytes = bytes.as_slice();
            return std::iter::from_fn(|| read(&mut bytes).ok()).collect();
        }
        let made = make();
        let mut bytes = Vec::new();
        made.iter().try_for_each(|shown| write(&mut bytes, shown)).unwrap();
        let unfinished = path.with_extension("part");
        std::fs::write(&unfinished, bytes).unwrap();
        std::fs::rename(unfinished, path).unwrap();
        made
    }
}

fn write(to: &mut impl Write, shown: &Shown) -> io::Result<()> {
    let Shown::Picture(decoded) = shown else { return to.write_all(&[0]) };
    let DecodedPicture { picture, cost, .. } = &**decoded;
    let (width, height) = picture.size();
    to.write_all(&[1])?;
    to.write_all(&width.to_le_bytes())?;
    to.write_all(&height.to_le_bytes())?;
    to.write_all(&u32::try_from(cost.as_micros()).unwrap_or(u32::MAX).to_le_bytes())?;
    let (blue, red) = picture.chroma().map_or((&[][..], &[][..]), |chroma| (chroma.blue(), chroma.red()));
    for plane in [picture.small().pixels(), picture.crop().pixels(), blue, red] {
        to.write_all(&u32::try_from(plane.len()).unwrap().to_le_bytes())?;
        to.write_all(plane)?;
    }
    Ok(())
}

fn read(from: &mut impl Read) -> io::Result<Shown> {
    let mut kind = [0];
    from.read_exact(&mut kind)?;
    if kind == [0] {
        return Ok(Shown::Broken);
    }
    let size = (number(from)?, number(from)?);
    let cost = Duration::from_micros(number(from)?.into());
    let [small, crop, blue, red] = [plane(from)?, plane(from)?, plane(from)?, plane(from)?];
    let (small, crop) = (Luma::new(SMALL_WIDTH, small), Luma::new(crop_size(size).0, crop));
    let picture =
        small.zip(crop).and_then(|(small, crop)| Picture::new(size, small, crop, Chroma::new(blue, red)));
    let picture = picture.ok_or(io::ErrorKind::InvalidData)?;
    Ok(Shown::Picture(Box::new(DecodedPicture { picture, complaints: 0, cost, still: None })))
}

fn number(from: &mut impl Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    from.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

fn plane(from: &mut impl Read) -> io::Result<Box<[u8]>> {
    let mut bytes = vec![0; usize::try_from(number(from)?).unwrap()];
    from.read_exact(&mut bytes)?;
    Ok(bytes.into())
}
