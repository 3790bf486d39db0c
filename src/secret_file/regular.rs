//! Reads regular files only: a FIFO or device may block or never end.

use std::{
    fs::{self, File, FileType},
    io,
    path::{Component, Path, Prefix},
    sync::Arc,
};

use zeroize::Zeroizing;

use super::{
    error::{FileKind, ReadError},
    text::without_bom,
};

/// The content of a file, without a byte order mark. Wiped when the last copy is dropped.
pub(crate) type Content = Arc<Zeroizing<Vec<u8>>>;

/// A file to read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Job {
    pub(super) path: Arc<Path>,
    pub(super) max_bytes: usize,
}

/// Reads a whole file.
///
/// # Errors
///
/// An error if it is not a regular file or a link to one, or is too long.
pub(super) fn read(job: &Job) -> Result<Content, ReadError> {
    let path = &*job.path;
    #[cfg(test)]
    if path.ends_with(super::tests::HANGS) {
        return Ok(Arc::new(Zeroizing::new(fs::read(path)?)));
    }
    // Checked before it is opened: opening has side effects on some devices and blocks on a FIFO.
    check_path(path)?;
    check(fs::metadata(path)?.file_type())?;
    let file = open(path)?;
    let expected = file.metadata()?.len();
    let mut bytes = read_all(file, expected, job.max_bytes)?;
    let bom = bytes.len() - without_bom(&bytes).len();
    bytes.drain(..bom);
    Ok(Arc::new(bytes))
}

/// Opens a regular file. It may have been replaced since it was checked, so the open itself must
/// not block on a FIFO, and the opened file is checked too.
fn open(path: &Path) -> Result<File, ReadError> {
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut options,
        libc::O_NONBLOCK | libc::O_NOCTTY,
    );
    let file = options.open(path)?;
    check(file.metadata()?.file_type())?;
    Ok(file)
}

fn check(file_type: FileType) -> Result<(), ReadError> {
    if file_type.is_file() { Ok(()) } else { Err(ReadError::NotRegular(kind(file_type))) }
}

/// Windows reports pipes and devices as files. They have a separate namespace.
fn check_path(path: &Path) -> Result<(), ReadError> {
    match path.components().next() {
        Some(Component::Prefix(prefix)) if matches!(prefix.kind(), Prefix::DeviceNS(_)) => {
            Err(ReadError::NotRegular(FileKind::Device))
        }
        _ => Ok(()),
    }
}

fn kind(file_type: FileType) -> FileKind {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;
        if file_type.is_fifo() {
            return FileKind::Fifo;
        } else if file_type.is_socket() {
            return FileKind::Socket;
        } else if file_type.is_char_device() || file_type.is_block_device() {
            return FileKind::Device;
        }
    }
    if file_type.is_dir() { FileKind::Directory } else { FileKind::Other }
}

fn read_all(
    mut file: impl io::Read,
    expected: u64,
    max_bytes: usize,
) -> Result<Zeroizing<Vec<u8>>, ReadError> {
    // One byte more than expected, so that the end is found without a larger buffer.
    let room = usize::try_from(expected).unwrap_or(max_bytes).min(max_bytes) + 1;
    let mut bytes = Zeroizing::new(vec![0; room]);
    let mut filled = 0;
    loop {
        match file.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        }
        if filled > max_bytes {
            return Err(ReadError::TooLong(max_bytes));
        }
        if filled == bytes.len() {
            // A vector that grows by itself leaves a copy behind that is not wiped.
            let mut larger = Zeroizing::new(vec![0; 2 * filled]);
            larger[..filled].copy_from_slice(&bytes);
            bytes = larger;
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MAX_CREDENTIAL_BYTES as MAX_BYTES;

    #[test]
    fn a_file_is_read_up_to_the_limit_and_not_a_byte_further() {
        let max = 1024 * 1024;
        let content = vec![b'a'; max];
        // The length that the file system reports does not matter.
        for expected in [0, 7, max as u64, u64::MAX] {
            let read = |content: &[u8]| read_all(content, expected, max);
            assert_eq!(read(&content).unwrap().len(), max);
            let longer = [&content[..], b"a"].concat();
            assert!(matches!(read(&longer), Err(ReadError::TooLong(it)) if it == max));
            assert_eq!(read(b"").unwrap().len(), 0);
        }
        assert!(ReadError::TooLong(max).to_string().contains("longer than 1 MiB"));
        assert!(ReadError::TooLong(MAX_BYTES).to_string().contains("longer than 64 KiB"));
    }

    #[cfg(unix)]
    mod unix {
        use std::{env, os::unix::net::UnixListener, process, sync::mpsc, thread, time::Duration};

        use super::*;

        fn refused(path: &Path) -> FileKind {
            match read(&Job { path: path.into(), max_bytes: MAX_BYTES }) {
                Err(ReadError::NotRegular(kind)) => kind,
                other => panic!("{other:?}"),
            }
        }

        #[test]
        fn only_regular_files_and_links_to_them_are_read() {
            let folder = env::temp_dir().join(format!("toacc-regular-{}", process::id()));
            fs::create_dir(&folder).unwrap();
            let at = |name: &str| folder.join(name);
            assert!(process::Command::new("mkfifo").arg(at("fifo")).status().unwrap().success());
            let _socket = UnixListener::bind(at("socket")).unwrap();
            fs::write(at("file"), "s3cret").unwrap();
            for (link, target) in [("to-fifo", "fifo"), ("to-file", "file"), ("twice", "to-file")] {
                std::os::unix::fs::symlink(target, at(link)).unwrap();
            }
            assert_eq!(refused(&folder), FileKind::Directory);
            assert_eq!(refused(&at("fifo")), FileKind::Fifo);
            assert_eq!(refused(&at("to-fifo")), FileKind::Fifo);
            assert_eq!(refused(&at("socket")), FileKind::Socket);
            assert_eq!(refused(Path::new("/dev/null")), FileKind::Device);
            for name in ["file", "to-file", "twice"] {
                let job = Job { path: at(name).into(), max_bytes: MAX_BYTES };
                assert_eq!(read(&job).unwrap().as_slice(), b"s3cret");
            }
            // Without the first check, as when the file is replaced after it: no writer is waited
            // for.
            let (done, opened) = mpsc::channel();
            let fifo = at("fifo");
            thread::spawn(move || done.send(open(&fifo)));
            let replaced = opened.recv_timeout(Duration::from_secs(20)).unwrap();
            assert!(matches!(replaced, Err(ReadError::NotRegular(FileKind::Fifo))), "{replaced:?}");
            fs::remove_dir_all(&folder).unwrap();
        }
    }
}
