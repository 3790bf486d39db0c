//! The names of live clients, so that two clients of one name can be told apart.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, HashSet},
    fmt,
    sync::{LazyLock, Mutex},
};

use crate::sync::Arc;

/// The names in use by this process. Only building and dropping a cache locks it. The standard
/// library's mutex, because loom's cannot be in a `static`.
static NAMES: LazyLock<Mutex<Names>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Names {
    /// By the name without a number.
    numbers: HashMap<Arc<str>, Numbers>,
    /// The names with their numbers. A user may choose `a#2` for a name.
    taken: HashSet<Arc<str>>,
}

/// How many clients of one name have a label each in metrics.
#[cfg(feature = "metrics")]
const MAX_LABELS: usize = 64;

/// The numbers of the live clients of one name, from 1.
#[derive(Default)]
struct Numbers {
    live: usize,
    highest: usize,
    /// Numbers up to the highest one that are not in use.
    free: BinaryHeap<Reverse<usize>>,
}

impl Numbers {
    fn take(&mut self) -> usize {
        self.live += 1;
        let reused = self.free.pop().map(|Reverse(number)| number);
        reused.unwrap_or_else(|| {
            self.highest += 1;
            self.highest
        })
    }

    /// Returns true if it was the last.
    fn release(&mut self, number: usize) -> bool {
        self.live -= 1;
        self.free.push(Reverse(number));
        self.live == 0
    }
}

/// The name of a client. A second live client of the same name has `#2` after it.
pub(super) struct ClientName {
    name: Arc<str>,
    reservation: Reservation,
}

enum Reservation {
    /// The name without a number, and the number.
    Own(Arc<str>, usize),
    /// The name belongs to a keyed cache, whose name stays reserved.
    #[cfg(feature = "keyed")]
    Of(#[expect(dead_code, reason = "kept reserved")] Arc<ClientName>),
}

impl ClientName {
    /// Reserves a name until it is dropped.
    pub(super) fn reserve(name: &str) -> Self {
        let base = Arc::<str>::from(name);
        let Names { numbers, taken } = &mut *names();
        let numbers = numbers.entry(Arc::clone(&base)).or_default();
        let mut skipped = Vec::new();
        let (name, number) = loop {
            let number = numbers.take();
            let name = match number {
                1 => Arc::clone(&base),
                _ => Arc::from(format!("{base}#{number}")),
            };
            if taken.insert(Arc::clone(&name)) {
                break (name, number);
            }
            skipped.push(number);
        };
        for number in skipped {
            numbers.release(number);
        }
        Self { name, reservation: Reservation::Own(base, number) }
    }

    /// A name that other clients may have too: of a key's cache, of which there are many. The name
    /// of its keyed cache stays reserved, as the two share metrics.
    #[cfg(feature = "keyed")]
    pub(super) fn unnumbered(name: Arc<str>, keyed: &Arc<Self>) -> Self {
        Self { name, reservation: Reservation::Of(Arc::clone(keyed)) }
    }

    pub(super) fn get(&self) -> &Arc<str> {
        &self.name
    }

    /// The label that this client shares with others in metrics, if there are many of its name. A
    /// metrics system keeps each label for good.
    #[cfg(feature = "metrics")]
    pub(super) fn shared_label(&self) -> Option<Arc<str>> {
        #[cfg_attr(not(feature = "keyed"), expect(irrefutable_let_patterns, reason = "one kind"))]
        let Reservation::Own(base, number) = &self.reservation else { return None };
        (*number > MAX_LABELS).then(|| Arc::from(format!("{base}#{}+", MAX_LABELS + 1)))
    }
}

fn names() -> std::sync::MutexGuard<'static, Names> {
    NAMES.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Drop for ClientName {
    fn drop(&mut self) {
        #[cfg_attr(not(feature = "keyed"), expect(irrefutable_let_patterns, reason = "one kind"))]
        let Reservation::Own(base, number) = &self.reservation else {
            return;
        };
        let mut names = names();
        names.taken.remove(&self.name);
        if names.numbers.get_mut(base).is_some_and(|numbers| numbers.release(*number)) {
            names.numbers.remove(base);
        }
    }
}

impl fmt::Debug for ClientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.name, f)
    }
}

#[cfg(all(test, not(oauth_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_free_again_when_its_client_is_dropped() {
        let reserve = || ClientName::reserve("of-this-test");
        let name = |client: &ClientName| client.get().to_string();
        let [first, second, third] = [(); 3].map(|()| reserve());
        assert_eq!(
            [&first, &second, &third].map(name),
            ["of-this-test", "of-this-test#2", "of-this-test#3"]
        );
        drop(second);
        let second = reserve();
        assert_eq!(name(&second), "of-this-test#2");
        drop((first, second, third));
        assert!(!names().numbers.contains_key("of-this-test"));
        assert!(!names().taken.contains("of-this-test"));
        assert_eq!(name(&reserve()), "of-this-test");
    }

    #[test]
    fn a_number_whose_name_is_taken_is_skipped() {
        let reserve = ClientName::reserve;
        let [user, first, second] = ["taken#2", "taken", "taken"].map(reserve);
        let names = [&user, &first, &second].map(|client| client.get().to_string());
        assert_eq!(names, ["taken#2", "taken", "taken#3"]);
        assert_eq!(&**reserve("taken#2").get(), "taken#2#2");
        drop(user);
        assert_eq!(&**reserve("taken").get(), "taken#2");
    }

    #[cfg(feature = "metrics")]
    #[test]
    fn clients_of_a_name_share_a_label_from_the_sixty_fifth_on() {
        let clients: Vec<_> = (0..67).map(|_| ClientName::reserve("label-of-this-test")).collect();
        let labels: Vec<_> = clients.iter().map(ClientName::shared_label).collect();
        assert!(labels[..64].iter().all(Option::is_none));
        assert!(labels[64..].iter().all(|it| it.as_deref() == Some("label-of-this-test#65+")));
    }
}
