
/// Appended by `mutants/`: which mutant the process runs.
pub(crate) mod mutant_switch {
    use std::{
        fs::File,
        io::Write,
        sync::OnceLock,
        sync::atomic::{AtomicU32, AtomicU64, Ordering},
    };

    const UNREAD: u32 = u32::MAX;
    const RECORDS: u32 = u32::MAX - 1;
    static ACTIVE: AtomicU32 = AtomicU32::new(UNREAD);

    #[inline]
    pub(crate) fn on(id: u32) -> bool {
        let active = ACTIVE.load(Ordering::Relaxed);
        if active < RECORDS { active == id } else { slow(id, active) }
    }

    #[cold]
    fn slow(id: u32, active: u32) -> bool {
        if active == UNREAD {
            let value = std::env::var("MUTANT").unwrap_or_default();
            let value = if value == "record" { RECORDS } else { value.parse().unwrap_or(0) };
            ACTIVE.store(value, Ordering::Relaxed);
            return on(id);
        }
        static SEEN: [AtomicU64; 512] = [const { AtomicU64::new(0) }; 512];
        static FILE: OnceLock<File> = OnceLock::new();
        let bit = 1 << (id % 64);
        if SEEN[id as usize / 64].fetch_or(bit, Ordering::Relaxed) & bit == 0 {
            let mut file = FILE.get_or_init(|| {
                let path = std::env::var_os("MUTANT_RECORD").expect("MUTANT_RECORD is not set");
                File::options().append(true).create(true).open(path).unwrap()
            });
            file.write_all(&id.to_le_bytes()).unwrap();
        }
        false
    }
}
