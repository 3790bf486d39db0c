//! Small files with something secret: a client secret, a key, a client assertion.

use std::{fs, io::Read as _, path::Path, sync::Arc};

use zeroize::Zeroizing;

use crate::error::BoxError;

/// The longest file that is read, in bytes: bounds memory when the path is wrong.
pub(crate) const MAX_BYTES: u64 = 64 * 1024;

/// Reads a file anew, on a thread where blocking is allowed. What comes back is neither empty nor
/// only white space.
pub(crate) async fn read(path: &Arc<Path>) -> Result<Zeroizing<String>, BoxError> {
    let path = Arc::clone(path);
    tokio::task::spawn_blocking(move || read_blocking(&path)).await?
}

fn read_blocking(path: &Path) -> Result<Zeroizing<String>, BoxError> {
    let file = fs::File::open(path)?;
    // Room for all of it: a vector that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES as usize + 32));
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err("the file is longer than 64 KiB".into());
    }
    let text = str::from_utf8(&bytes).map_err(|_| "the file is not UTF-8")?;
    if text.trim().is_empty() {
        // Seen while a secret is being written; an attempt with nothing would count as a wrong one.
        return Err("the file is empty".into());
    }
    Ok(Zeroizing::new(text.to_owned()))
}
