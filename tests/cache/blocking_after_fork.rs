//! `get_blocking` in a child process, where the thread of the parent's runtime does not exist.

#[cfg(unix)]
fn main() {
    use std::{process, sync::mpsc, thread, time::Duration};

    use tower_oauth2_client_credentials::{Token, TokenCache, source::AcquireContext};

    let cache = || TokenCache::new(|_: AcquireContext| async { Token::bearer("abc") });
    cache().get_blocking().unwrap();
    match fork::fork().unwrap() {
        fork::Fork::Child => {
            let (done, is_done) = mpsc::channel();
            let tokens = cache();
            thread::spawn(move || done.send(tokens.get_blocking().is_ok()));
            let is_ok = is_done.recv_timeout(Duration::from_secs(20)) == Ok(true);
            process::exit(if is_ok { 0 } else { 1 });
        }
        fork::Fork::Parent(child) => {
            let status = fork::waitpid(child).unwrap();
            assert_eq!(status, 0, "the child got no token");
            cache().get_blocking().unwrap();
        }
    }
}

#[cfg(not(unix))]
fn main() {}
