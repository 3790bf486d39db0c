//! The names of live clients, so that two clients of one name can be told apart.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    fmt,
    sync::Mutex,
};

use crate::sync::Arc;

/// The names in use by this process. Only building and dropping a cache locks it. The standard
/// library's mutex, because loom's cannot be in a `static`.
static NAMES: Mutex<BTreeMap<Arc<str>, Numbers>> = Mutex::new(BTreeMap::new());

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

    /// Returns whether no client of this name is left.
    fn give_back(&mut self, number: usize) -> bool {
        self.live -= 1;
        self.free.push(Reverse(number));
        self.live == 0
    }
}

/// The name of a client. A second live client of the same name has `#2` after it.
pub(super) struct ClientName {
    name: Arc<str>,
    /// The name without a number, and the number. `None`: the name is not reserved.
    reserved: Option<(Arc<str>, usize)>,
}

impl ClientName {
    /// Reserves a name until it is dropped.
    pub(super) fn reserve(name: &str) -> Self {
        let base = Arc::<str>::from(name);
        let number = names().entry(Arc::clone(&base)).or_default().take();
        let name =
            if number == 1 { Arc::from(name) } else { Arc::from(format!("{name}#{number}")) };
        Self { name, reserved: Some((base, number)) }
    }

    /// A name that other clients may have too, such as a key's cache of a keyed cache. There are
    /// many of them.
    #[cfg(feature = "keyed")]
    pub(super) fn shared(name: Arc<str>) -> Self {
        Self { name, reserved: None }
    }

    pub(super) fn get(&self) -> &Arc<str> {
        &self.name
    }
}

fn names() -> std::sync::MutexGuard<'static, BTreeMap<Arc<str>, Numbers>> {
    NAMES.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Drop for ClientName {
    fn drop(&mut self) {
        let Some((base, number)) = self.reserved.take() else { return };
        let mut names = names();
        if names.get_mut(&base).is_some_and(|numbers| numbers.give_back(number)) {
            names.remove(&base);
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
        assert!(!names().contains_key("of-this-test"));
        assert_eq!(name(&reserve()), "of-this-test");
    }
}
