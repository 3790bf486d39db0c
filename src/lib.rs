//! placeholder tour
mod error;
mod event;
mod source;
mod token;
mod transport;
pub use error::{BoxError, Error, ErrorKind};
pub use event::{Event, Observer, Reason, RejectionResponse};
pub use source::{Acquire, TokenSource};
pub use token::{Token, TokenType};
pub use transport::TokenRequest;
