//! The model file: written whole and replaced atomically, read whole and checked.
//!
//! Layout, little-endian: magic (8), format version (2), features version (2), table bits (1),
//! how uniform spam and ham were, in 255ths (1+1), padding (1), spam and ham counted (4+4), biases (4+4), calibration (5×4); where the model
//! comes from (when trained 8, from how many spam and ham 4+4, lessons by standing and kind
//! 6×4, the last lesson 8); then each cell:
//! spam and ham counts (2+2), weights (4+4); then CRC-32C of all before (4). The length follows
//! from the format, so a truncated or oversized file is refused before it is read.
//!
//! A reader sees the old file or the new one, never a torn one: write beside, fsync, rename,
//! fsync the directory.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;

use super::ClassifierError;
use super::features::FEATURES_VERSION;
use super::model::{CELLS, Calibration, Cell, CellValues, Model};
use super::record::Record;
use super::tokens::TABLE_BITS;

const MAGIC: [u8; 8] = *b"PSTNMODL";
const FORMAT_VERSION: u16 = 2;
const HEADER_OCTETS: usize = 100;
const CELL_OCTETS: usize = 12;
const CRC_OCTETS: usize = 4;

/// Length of every model file.
pub const FILE_OCTETS: u64 = (HEADER_OCTETS + CELLS * CELL_OCTETS + CRC_OCTETS) as u64;

/// Writes a model, replacing what is at the path.
pub(super) fn write(model: &Model, path: &Path) -> Result<(), ClassifierError> {
    let fault = |source| ClassifierError::Write { path: path.to_owned(), source };
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let written =
        write_beside(model, &beside).and_then(|()| fs::rename(&beside, path)).and_then(|()| {
            match path.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
                _ => File::open(".")?.sync_all(),
            }
        });
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written.map_err(fault)
}

fn write_beside(model: &Model, beside: &Path) -> io::Result<()> {
    let file = File::create(beside)?;
    let mut out = Summed { inner: BufWriter::with_capacity(1 << 16, file), crc: 0 };
    write_to(model, &mut out)?;
    let crc = out.crc;
    out.inner.write_all(&crc.to_le_bytes())?;
    out.inner.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

fn write_to(model: &Model, out: &mut impl Write) -> io::Result<()> {
    let (spam, ham) = model.counted();
    let Calibration { sharp_spread, broad_spread, bayes_spread, slope, offset } = model.calibration;
    let mut header = Vec::with_capacity(HEADER_OCTETS);
    header.extend_from_slice(&MAGIC);
    header.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    header.extend_from_slice(&FEATURES_VERSION.to_le_bytes());
    let [spam_uniform, ham_uniform] =
        model.uniformity.map(|share| (share.clamp(0.0, 1.0) * 255.0).round() as u8);
    header.extend_from_slice(&[TABLE_BITS as u8, spam_uniform, ham_uniform, 0]);
    let biases = [model.sharp_bias.load(Relaxed), model.broad_bias.load(Relaxed)];
    for number in [spam, ham].into_iter().chain(biases) {
        header.extend_from_slice(&number.to_le_bytes());
    }
    for number in [sharp_spread, broad_spread, bayes_spread, slope, offset] {
        header.extend_from_slice(&number.to_le_bytes());
    }
    let Record { trained_s, trained, lessons, last_lesson_s } = model.record();
    header.extend_from_slice(&trained_s.to_le_bytes());
    for number in trained.into_iter().chain(lessons.into_iter().flatten()) {
        header.extend_from_slice(&number.to_le_bytes());
    }
    header.extend_from_slice(&last_lesson_s.to_le_bytes());
    out.write_all(&header)?;
    for cell in &model.cells {
        let CellValues { spam, ham, sharp, broad } = cell.values();
        out.write_all(&spam.to_le_bytes())?;
        out.write_all(&ham.to_le_bytes())?;
        out.write_all(&sharp.to_le_bytes())?;
        out.write_all(&broad.to_le_bytes())?;
    }
    Ok(())
}

/// Counts a checksum of what passes.
struct Summed<T> {
    inner: T,
    crc: u32,
}

impl<T: Write> Write for Summed<T> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.inner.write_all(octets)?;
        self.crc = crc32c::crc32c_append(self.crc, octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<T: Read> Summed<T> {
    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut octets = [0; N];
        self.inner.read_exact(&mut octets)?;
        self.crc = crc32c::crc32c_append(self.crc, &octets);
        Ok(octets)
    }
}

/// Reads a model. None if there is no file.
pub(super) fn read(path: &Path) -> Result<Option<Model>, ClassifierError> {
    let fault = |source| ClassifierError::Read { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fault(error)),
    };
    let octets = file.metadata().map_err(fault)?.len();
    if octets < HEADER_OCTETS as u64 {
        return Err(ClassifierError::Truncated { path: path.to_owned(), octets });
    }
    let input = Summed { inner: BufReader::with_capacity(1 << 16, file), crc: 0 };
    read_checked(input, octets, path).map(Some)
}

fn read_checked<T: Read>(
    mut input: Summed<T>,
    octets: u64,
    path: &Path,
) -> Result<Model, ClassifierError> {
    let fault = |source| ClassifierError::Read { path: path.to_owned(), source };
    let path_owned = || path.to_owned();
    if input.take().map_err(fault)? != MAGIC {
        return Err(ClassifierError::NotAModel { path: path_owned() });
    }
    let format = u16::from_le_bytes(input.take().map_err(fault)?);
    let features = u16::from_le_bytes(input.take().map_err(fault)?);
    let [bits, spam_uniform, ham_uniform, _] = input.take::<4>().map_err(fault)?;
    if (format, features, u32::from(bits)) != (FORMAT_VERSION, FEATURES_VERSION, TABLE_BITS) {
        return Err(ClassifierError::OtherVersion { path: path_owned(), format, features });
    }
    if octets < FILE_OCTETS {
        return Err(ClassifierError::Truncated { path: path_owned(), octets });
    }
    if octets > FILE_OCTETS {
        return Err(ClassifierError::Oversized { path: path_owned(), octets });
    }
    let corrupt = |what| ClassifierError::Corrupt { path: path.to_owned(), what };
    let counts = [0; 2].map(|_: u8| input.take().map(u32::from_le_bytes));
    let [spam, ham] = counts;
    let numbers = [0; 7].map(|_: u8| input.take().map(f32::from_le_bytes));
    let [sharp_bias, broad_bias, sharp_spread, broad_spread, bayes_spread, slope, offset] = numbers;
    let (spam, ham) = (spam.map_err(fault)?, ham.map_err(fault)?);
    let biases = [sharp_bias.map_err(fault)?, broad_bias.map_err(fault)?];
    let calibration = Calibration {
        sharp_spread: sharp_spread.map_err(fault)?,
        broad_spread: broad_spread.map_err(fault)?,
        bayes_spread: bayes_spread.map_err(fault)?,
        slope: slope.map_err(fault)?,
        offset: offset.map_err(fault)?,
    };
    let record = read_record(&mut input).map_err(fault)?;
    let mut cells = Vec::with_capacity(CELLS);
    let mut finite = true;
    for _ in 0..CELLS {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = input.take::<CELL_OCTETS>().map_err(fault)?;
        let values = CellValues {
            spam: u16::from_le_bytes([a, b]),
            ham: u16::from_le_bytes([c, d]),
            sharp: f32::from_le_bytes([e, f, g, h]),
            broad: f32::from_le_bytes([i, j, k, l]),
        };
        finite &= values.sharp.is_finite() && values.broad.is_finite();
        cells.push(Cell::of(values));
    }
    let crc = input.crc;
    if u32::from_le_bytes(input.take().map_err(fault)?) != crc {
        return Err(corrupt("checksum"));
    }
    // A file with a good checksum may still have been made by hand.
    let Calibration { sharp_spread, broad_spread, bayes_spread, slope, offset } = calibration;
    finite &= biases.iter().chain([&offset]).all(|number| number.is_finite());
    let mut positive = [sharp_spread, broad_spread, bayes_spread, slope].into_iter();
    if !finite || !positive.all(|number| number.is_finite() && number > 0.0) {
        return Err(corrupt("numbers"));
    }
    let mut model = Model::of(cells.into_boxed_slice(), [spam, ham], biases, calibration);
    model.uniformity = [spam_uniform, ham_uniform].map(|share| f32::from(share) / 255.0);
    model.begin(record);
    Ok(model)
}

fn read_record<T: Read>(input: &mut Summed<T>) -> io::Result<Record> {
    let trained_s = u64::from_le_bytes(input.take()?);
    let mut number = || Ok::<u32, io::Error>(u32::from_le_bytes(input.take()?));
    let trained = [number()?, number()?];
    let lessons = [[number()?, number()?], [number()?, number()?], [number()?, number()?]];
    let last_lesson_s = u64::from_le_bytes(input.take()?);
    Ok(Record { trained_s, trained, lessons, last_lesson_s })
}
