//! Threads that read files: at most one for each file, and at most [`MAX_THREADS`] in all.
//!
//! A thread whose read never finishes cannot be ended, so it stays. The shutdown of a runtime and
//! the exit of the process do not wait for it.

use std::{
    collections::{HashMap, VecDeque},
    future::Future,
    pin::pin,
    sync::{Arc, LazyLock},
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::{
    error::ReadError,
    regular::{self, Content, Job},
};
use crate::sync::{Mutex, MutexGuard, lock};

/// Maximum number of threads of a process. While the reads on all of them are stuck, further reads
/// fail at once.
const MAX_THREADS: usize = 64;
/// Stack size of a thread in bytes. A read needs little, since its buffer is on the heap.
const STACK_BYTES: usize = 128 * 1024;

/// A read that takes longer is stuck. Shorter than callers wait, so that the second caller of a stuck
/// read fails at once.
const STUCK_AFTER: Duration = Duration::from_secs(4);

pub(super) static READERS: LazyLock<Readers> =
    LazyLock::new(|| Readers::new(STUCK_AFTER, regular::read));

type Outcome = Result<Content, ReadError>;

#[derive(Clone)]
enum Progress {
    Queued,
    Reading(Instant),
    Done(Outcome),
}

pub(super) struct Readers {
    /// A read that has not finished after this time is stuck.
    stuck_after: Duration,
    read: fn(&Job) -> Outcome,
    state: Mutex<State>,
}

struct State {
    threads: usize,
    /// Jobs that wait for a free thread.
    queue: VecDeque<Job>,
    /// Queued or in flight.
    reads: HashMap<Job, watch::Sender<Progress>>,
}

impl Readers {
    fn new(stuck_after: Duration, read: fn(&Job) -> Outcome) -> Self {
        let state = State { threads: 0, queue: VecDeque::new(), reads: HashMap::new() };
        Self { stuck_after, read, state: Mutex::new(state) }
    }

    pub(super) async fn read(&'static self, job: &Job, timeout: Duration) -> Outcome {
        tokio::time::timeout(timeout, self.read_unbounded(job))
            .await
            .unwrap_or(Err(ReadError::Slow(timeout)))
    }

    pub(super) fn read_blocking(&'static self, job: &Job, timeout: Duration) -> Outcome {
        // Without `unconstrained` the future could stay pending for good: a task may have spent its
        // tokio budget, and a blocking thread never yields to renew it.
        let read = tokio::task::unconstrained(self.read_unbounded(job));
        block_on(read, timeout).unwrap_or(Err(ReadError::Slow(timeout)))
    }

    async fn read_unbounded(&'static self, job: &Job) -> Outcome {
        let called_at = Instant::now();
        loop {
            let mut progress = self.start(job)?;
            // A read that started earlier may return the content from before a rotation that the
            // caller knows about, so the file is read again after it.
            let started_earlier =
                matches!(*progress.borrow(), Progress::Reading(since) if since < called_at);
            let done = progress.wait_for(|progress| matches!(progress, Progress::Done(_))).await;
            if started_earlier {
                continue;
            }
            match done.as_deref() {
                Ok(Progress::Done(outcome)) => return outcome.clone(),
                // Unreachable: the sender is dropped only after it has sent `Done`.
                _ => return Err(ReadError::Stuck),
            }
        }
    }

    /// Starts a read, queues it, or subscribes to the read of the same file.
    fn start(&'static self, job: &Job) -> Result<watch::Receiver<Progress>, ReadError> {
        let mut state = self.lock();
        if let Some(read) = state.reads.get(job) {
            if self.is_stuck(read) {
                return Err(ReadError::Stuck);
            }
            let is_queued = matches!(*read.borrow(), Progress::Queued);
            if !is_queued || !self.all_are_stuck(&state) {
                return Ok(read.subscribe());
            }
            return Err(ReadError::Overloaded(MAX_THREADS));
        }
        if state.threads < MAX_THREADS {
            let first = job.clone();
            thread::Builder::new()
                .name("oauth-file-read".into())
                .stack_size(STACK_BYTES)
                .spawn(move || self.run(first))
                .map_err(|error| ReadError::NoThread(Arc::new(error)))?;
            state.threads += 1;
            return Ok(state.add(job, Progress::Reading(Instant::now())));
        }
        if self.all_are_stuck(&state) {
            return Err(ReadError::Overloaded(MAX_THREADS));
        }
        state.queue.push_back(job.clone());
        Ok(state.add(job, Progress::Queued))
    }

    fn run(&self, mut job: Job) {
        loop {
            let outcome = (self.read)(&job);
            let mut state = self.lock();
            let read = state.reads.remove(&job);
            let next = state.queue.pop_front();
            match &next {
                Some(next) => begin(state.reads.get(next)),
                None => state.threads -= 1,
            }
            drop(state);
            set(read.as_ref(), Progress::Done(outcome));
            match next {
                Some(next) => job = next,
                None => return,
            }
        }
    }

    fn is_stuck(&self, read: &watch::Sender<Progress>) -> bool {
        matches!(*read.borrow(), Progress::Reading(since) if since.elapsed() >= self.stuck_after)
    }

    fn all_are_stuck(&self, state: &State) -> bool {
        state.reads.values().filter(|read| self.is_stuck(read)).count() >= MAX_THREADS
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    fn add(&mut self, job: &Job, progress: Progress) -> watch::Receiver<Progress> {
        let (sender, receiver) = watch::channel(progress);
        self.reads.insert(job.clone(), sender);
        receiver
    }
}

/// Marks a read as begun without waking its subscribers, since the lock is held and a waker may run
/// any code. They wait for `Done` only.
fn begin(read: Option<&watch::Sender<Progress>>) {
    if let Some(read) = read {
        read.send_if_modified(|progress| {
            *progress = Progress::Reading(Instant::now());
            false
        });
    }
}

fn set(read: Option<&watch::Sender<Progress>>, progress: Progress) {
    if let Some(read) = read {
        read.send_replace(progress);
    }
}

/// Polls a future on this thread until it is ready or the timeout has elapsed.
fn block_on<F: Future>(future: F, timeout: Duration) -> Option<F::Output> {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let until = Instant::now() + timeout;
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        thread::park_timeout(left);
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::{
        env, fs,
        path::PathBuf,
        process::{self, Command},
    };

    use zeroize::Zeroizing;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    /// Far more than any step takes: a hang becomes a failure.
    const LONG: Duration = Duration::from_secs(20);

    /// Readers without the check for regular files, so that a FIFO stands for a file that does not
    /// finish reading until it is written to.
    fn readers(stuck_after: Duration) -> &'static Readers {
        Box::leak(Box::new(Readers::new(stuck_after, |job| {
            Ok(Arc::new(Zeroizing::new(fs::read(&job.path)?)))
        })))
    }

    struct Fifos(PathBuf);

    impl Fifos {
        fn new(name: &str, count: usize) -> Self {
            let folder = env::temp_dir().join(format!("toacc-{}-{name}", process::id()));
            fs::create_dir(&folder).unwrap();
            let this = Self(folder);
            let paths = (0..count).map(|index| this.path(index));
            assert!(Command::new("mkfifo").args(paths).status().unwrap().success());
            this
        }

        fn path(&self, index: usize) -> PathBuf {
            self.0.join(index.to_string())
        }

        fn job(&self, index: usize) -> Job {
            Job { path: self.path(index).into(), max_bytes: 100 }
        }

        /// Waits for the reader, and lets it finish with this content.
        fn finish(&self, index: usize, content: &str) {
            fs::write(self.path(index), content).unwrap();
        }
    }

    impl Drop for Fifos {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn content(outcome: Outcome) -> String {
        String::from_utf8(outcome.unwrap().to_vec()).unwrap()
    }

    fn wait(mut progress: watch::Receiver<Progress>) -> Outcome {
        let done = progress.wait_for(|progress| matches!(progress, Progress::Done(_)));
        match &*block_on(done, LONG).unwrap().unwrap() {
            Progress::Done(outcome) => outcome.clone(),
            _ => unreachable!(),
        }
    }

    #[test]
    fn one_thread_is_stuck_for_a_file_and_further_reads_fail_at_once() {
        let fifos = Fifos::new("one-stuck", 1);
        let readers = readers(Duration::ZERO);
        let first = readers.start(&fifos.job(0)).unwrap();
        for _ in 0..1000 {
            let error = readers.read_blocking(&fifos.job(0), LONG).unwrap_err();
            assert!(matches!(error, ReadError::Stuck), "{error}");
        }
        assert_eq!(readers.lock().threads, 1);
        // It comes back, and so does the file.
        fifos.finish(0, "first");
        assert_eq!(content(wait(first)), "first");
        let second = readers.start(&fifos.job(0)).unwrap();
        fifos.finish(0, "second");
        assert_eq!(content(wait(second)), "second");
    }

    #[test]
    fn beyond_64_stuck_reads_further_files_fail_at_once() {
        let fifos = Fifos::new("many-stuck", MAX_THREADS + 1);
        let readers = readers(Duration::ZERO);
        let stuck: Vec<_> =
            (0..MAX_THREADS).map(|index| readers.start(&fifos.job(index)).unwrap()).collect();
        let error = readers.read_blocking(&fifos.job(MAX_THREADS), LONG).unwrap_err();
        assert!(matches!(error, ReadError::Overloaded(MAX_THREADS)), "{error}");
        assert!(error.to_string().starts_with("reads of 64 other files have not finished"));
        assert_eq!(readers.lock().threads, 64);
        for (index, read) in stuck.into_iter().enumerate() {
            fifos.finish(index, "late");
            assert_eq!(content(wait(read)), "late");
        }
        let last = readers.start(&fifos.job(MAX_THREADS)).unwrap();
        fifos.finish(MAX_THREADS, "well");
        assert_eq!(content(wait(last)), "well");
        assert!(readers.lock().reads.is_empty());
    }

    #[test]
    fn while_64_reads_only_take_long_further_files_wait_for_a_thread() {
        let fifos = Fifos::new("queued", MAX_THREADS + 1);
        let readers = readers(HOUR);
        let mut reads: Vec<_> =
            (0..=MAX_THREADS).map(|index| readers.start(&fifos.job(index)).unwrap()).collect();
        assert_eq!(readers.lock().threads, 64);
        let queued = reads.pop().unwrap();
        assert!(matches!(*queued.borrow(), Progress::Queued));
        fifos.finish(0, "a");
        fifos.finish(MAX_THREADS, "b");
        assert_eq!(content(wait(queued)), "b");
        (1..MAX_THREADS).for_each(|index| fifos.finish(index, ""));
        reads.into_iter().for_each(|read| drop(wait(read)));
        assert!(readers.lock().reads.is_empty());
    }

    #[test]
    fn a_read_that_started_earlier_is_not_taken_for_a_later_one() {
        let fifos = Fifos::new("earlier", 1);
        let readers = readers(HOUR);
        let earlier = readers.start(&fifos.job(0)).unwrap();
        let job = fifos.job(0);
        let later = thread::spawn(move || readers.read_blocking(&job, LONG));
        while readers.lock().reads[&fifos.job(0)].receiver_count() < 2 {
            thread::yield_now();
        }
        fifos.finish(0, "before the rotation");
        assert_eq!(content(wait(earlier)), "before the rotation");
        let path = fifos.path(0);
        let rotation = thread::spawn(move || fs::write(path, "after it"));
        assert_eq!(content(later.join().unwrap()), "after it");
        rotation.join().unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_that_does_not_finish_is_waited_for_no_longer_than_the_limit() {
        let fifos = Fifos::new("limit", 1);
        let (readers, limit) = (readers(HOUR), Duration::from_secs(5));
        let start = tokio::time::Instant::now();
        let error = readers.read(&fifos.job(0), limit).await.unwrap_err();
        assert_eq!(start.elapsed(), limit);
        assert!(error.to_string().starts_with("reading it took longer than 5s"), "{error}");
        let error = readers.read_blocking(&fifos.job(0), Duration::from_millis(1)).unwrap_err();
        assert!(matches!(error, ReadError::Slow(_)), "{error}");
        fifos.finish(0, "");
    }
}
