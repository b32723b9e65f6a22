//! File `000000` of a session: the header, and behind it the records.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::Path,
    sync::{Arc, PoisonError},
};

use crate::{
    SessionRecord, SessionRecords, SpoolError,
    capacity::Capacity,
    error::FileError,
    files,
    frame::{self, Frame, Part},
    spooled::SpooledSession,
};

/// Makes the file with the header and the first record.
pub(crate) fn create(
    capacity: &Capacity,
    session: &SpooledSession,
    header: &[u8],
    first: &SessionRecord,
) -> Result<(), SpoolError> {
    let path = files::numbered(&session.folder, 0);
    // A header that is too long is this session's: the disk is not at fault.
    frame::fits(header.len()).map_err(|error| SpoolError::failed("write", &path, error))?;
    let bytes = [frame::encode(b'H', header), frame::encode_record(&json(first))].concat();
    let file = files::create(&path).map_err(|error| capacity.open_failed("create", &path, error))?;
    (&file).write_all(&bytes).map_err(|error| capacity.write_failed("write", &path, error))?;
    session.created(&Arc::new(file));
    capacity.took(session, bytes.len() as u64);
    Ok(())
}

/// Appends a record.
pub(crate) fn append(capacity: &Capacity, session: &SpooledSession, record: &SessionRecord) -> Result<(), SpoolError> {
    let path = files::numbered(&session.folder, 0);
    let bytes = frame::encode_record(&json(record));
    // A writer that fails cuts the file to its length before: nobody else may append meanwhile.
    let _alone = session.records_lock.lock().unwrap_or_else(PoisonError::into_inner);
    let file = append_bytes(&path, &bytes).map_err(|error| capacity.failed(&path, error))?;
    session.wrote_records(&Arc::new(file));
    capacity.took(session, bytes.len() as u64);
    Ok(())
}

fn append_bytes(path: &Path, bytes: &[u8]) -> Result<fs::File, FileError> {
    let mut file = OpenOptions::new().append(true).open(path).map_err(FileError::Open)?;
    let length = file.metadata().map_err(FileError::Open)?.len();
    if let Err(error) = file.write_all(bytes) {
        file.set_len(length).map_err(FileError::Write)?;
        return Err(FileError::Write(error));
    }
    Ok(file)
}

/// The header and what the records say; `None` if the header is not whole.
pub(crate) fn read(folder: &Path) -> Result<Option<SessionRecords>, SpoolError> {
    let bytes = read_file(folder).map_err(|error| SpoolError::failed("read", &files::numbered(folder, 0), error))?;
    let (mut records, mut begun, mut at) = (SessionRecords::default(), Vec::new(), 0);
    while let Some((part, next)) = frame::part(&bytes, at) {
        at = next;
        match part {
            Part::Frame(Frame::Header(line)) => records.header = line.to_vec(),
            Part::Frame(Frame::RecordBegun(json)) => begun.extend_from_slice(json),
            Part::Frame(Frame::Record(json)) => {
                begun.extend_from_slice(json);
                if let Ok(record) = serde_json::from_slice::<SessionRecord>(&begun) {
                    records.learn(record);
                }
                begun.clear();
            }
            Part::Damaged(_) => begun.clear(),
            Part::Frame(_) | Part::Torn(_) => {}
        }
    }
    Ok((!records.header.is_empty()).then_some(records))
}

/// Whether the folder has no file but this one, and this one no frame that is whole: header and first record are written and
/// synced at once, before anything else is.
pub(crate) fn is_unopened(folder: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(folder)? {
        if entry?.file_name() != "000000" {
            return Ok(false);
        }
    }
    let bytes = read_file(folder)?;
    Ok(!matches!(frame::part(&bytes, 0), Some((Part::Frame(_) | Part::Damaged(_), _))))
}

/// The file's bytes; none if there is no file.
fn read_file(folder: &Path) -> io::Result<Vec<u8>> {
    match fs::read(files::numbered(folder, 0)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        bytes => bytes,
    }
}

/// Records are strings, numbers and lists: serialising them to memory has no way to fail.
fn json(record: &SessionRecord) -> Vec<u8> {
    serde_json::to_vec(record).unwrap_or_default()
}
