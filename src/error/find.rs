//! Finds this crate's error in a chain of other errors.

use std::{error::Error as StdError, io, sync::Arc};

use super::Error;

/// A `source()` that returns its own error would otherwise never end.
const MAX_LINKS: usize = 64;

type Link = dyn StdError + 'static;

impl Error {
    /// The first error of this crate in an error's chain of causes, the error itself included.
    ///
    /// Middleware above the layer often wraps errors. A downcast of the outermost error then fails,
    /// and this function still finds the cause. It follows
    /// [`source()`](std::error::Error::source), and looks into an [`Arc`], a [`Box`] and an
    /// [`io::Error`]. A wrapper whose `source()` skips the error that it holds hides it: that is
    /// what `#[error(transparent)]` of thiserror does.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_oauth2_client_credentials::{BoxError, Error, ErrorKind};
    ///
    /// let ours = Error::new(ErrorKind::Source);
    /// let wrapped: BoxError = std::io::Error::other(ours).into();
    ///
    /// assert!(wrapped.downcast_ref::<Error>().is_none());
    /// let found = Error::find(&*wrapped).expect("an error of this crate");
    /// assert_eq!(found.kind(), ErrorKind::Source);
    /// ```
    pub fn find<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Self> {
        let mut next = Some(error);
        for _ in 0..MAX_LINKS {
            let link = next?;
            if let Some(found) = as_own_error(link) {
                return Some(found);
            }
            next = wrapped(link).or_else(|| link.source());
        }
        None
    }
}

fn as_own_error(link: &Link) -> Option<&Error> {
    link.downcast_ref::<Error>()
        .or_else(|| link.downcast_ref::<Arc<Error>>().map(|error| &**error))
        .or_else(|| link.downcast_ref::<Box<Error>>().map(|error| &**error))
}

/// The error in a wrapper whose own `source()` skips it. A box of any error is not an error itself.
fn wrapped(link: &Link) -> Option<&Link> {
    if let Some(io) = link.downcast_ref::<io::Error>() {
        return io.get_ref().map(|error| error as _);
    }
    if let Some(shared) = link.downcast_ref::<Arc<dyn StdError + Send + Sync>>() {
        return Some(&**shared);
    }
    if let Some(shared) = link.downcast_ref::<Arc<dyn StdError>>() {
        return Some(&**shared);
    }
    link.downcast_ref::<Box<io::Error>>().map(|boxed| &**boxed as _)
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;
    use crate::error::{BoxError, Problem};

    #[derive(Debug)]
    struct Wrapper<E>(E);

    impl<E> fmt::Display for Wrapper<E> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("wrapped")
        }
    }

    impl StdError for Wrapper<BoxError> {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            Some(&*self.0)
        }
    }

    fn ours() -> Error {
        Error::of(Problem::InvalidClient)
    }

    #[test]
    fn an_error_is_found_in_every_wrapper_that_std_lets_through() {
        let shared: Arc<dyn StdError + Send + Sync> = Arc::new(ours());
        let local: Arc<dyn StdError> = Arc::new(ours());
        let wrapper = || Wrapper::<BoxError>(ours().into());
        let wrapped: [Box<dyn StdError>; 10] = [
            Box::new(ours()),
            Box::new(Arc::new(ours())),
            Box::new(Box::new(ours())),
            Box::new(shared.clone()),
            Box::new(local),
            Box::new(io::Error::other(ours())),
            Box::new(Box::new(io::Error::other(ours()))),
            Box::new(wrapper()),
            Box::new(Wrapper::<BoxError>(Box::new(io::Error::other(shared)))),
            Box::new(Wrapper::<BoxError>(Box::new(Arc::new(Wrapper::<BoxError>(
                wrapper().into(),
            ))))),
        ];
        for (index, error) in wrapped.iter().enumerate() {
            let found = Error::find(&**error).map(Error::problem);
            assert_eq!(found, Some(Problem::InvalidClient), "{index}");
        }
        let inner = Error::from_source(ours());
        assert_eq!(Error::find(&inner).map(Error::problem), Some(Problem::Source), "the first one");
    }

    #[derive(Debug)]
    struct Circle;

    impl fmt::Display for Circle {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("circle")
        }
    }

    impl StdError for Circle {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            Some(self)
        }
    }

    #[test]
    fn other_chains_end_without_an_error_of_this_crate() {
        assert!(Error::find(&io::Error::other("disk full")).is_none());
        assert!(Error::find(&io::Error::from(io::ErrorKind::NotFound)).is_none());
        assert!(Error::find(&Circle).is_none());
    }
}
