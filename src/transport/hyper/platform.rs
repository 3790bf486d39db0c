//! The file of root certificates that the environment names instead of the platform's.

use std::{env, ffi::OsString};

use crate::{
    error::{Error, Problem},
    limits::MAX_CERTIFICATE_BYTES,
    secret_file::{FileKind, ReadError, SecretFile},
};

const VARIABLE: &str = "SSL_CERT_FILE";

/// Checks that the file can be read. The verifier reads it by itself, without a bound on the time.
///
/// # Errors
///
/// Kind `Config` when reading it would block. A file that is missing or has no certificates is for
/// the verifier to report.
pub(super) fn check_roots_file() -> Result<(), Error> {
    check(env::var_os(VARIABLE))
}

fn check(path: Option<OsString>) -> Result<(), Error> {
    let Some(path) = path else { return Ok(()) };
    let file = SecretFile::new(path).with_max_bytes(MAX_CERTIFICATE_BYTES);
    match file.read_blocking() {
        Err(
            why @ (ReadError::NotRegular(FileKind::Fifo | FileKind::Socket)
            | ReadError::Slow(_)
            | ReadError::Stuck
            | ReadError::Overloaded(_)),
        ) => {
            let detail = format!("root certificates: {VARIABLE}={}: {why}", file.name());
            Err(Error::of(Problem::Config).with_detail(detail).with_source(why))
        }
        _ => Ok(()),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::{fs, process};

    use super::*;

    #[test]
    fn a_fifo_in_place_of_the_root_certificates_is_refused() {
        let fifo = env::temp_dir().join(format!("toacc-{}-roots", process::id()));
        assert!(process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        let error = check(Some(fifo.clone().into())).unwrap_err();
        fs::remove_file(&fifo).unwrap();
        assert_eq!(error.problem(), Problem::Config);
        let expected = format!("SSL_CERT_FILE={}: it is a FIFO", fifo.display());
        assert!(error.to_string().contains(&expected), "{error}");
        for other in [Some("/dev/null"), Some("/no/such/file"), Some("Cargo.toml"), None] {
            check(other.map(Into::into)).unwrap();
        }
    }
}
