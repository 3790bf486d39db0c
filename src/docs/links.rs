//! All public names, for the links of the chapters.

#[cfg(feature = "dpop")]
pub(crate) use crate::dpop::*;
#[cfg(any(feature = "jwt", feature = "dpop"))]
pub(crate) use crate::jose::*;
#[cfg(feature = "reqwest-middleware")]
pub(crate) use crate::middleware::*;
pub(crate) use crate::{
    cache::*, client_auth::*, clock::*, config::*, endpoint::*, event::*, grpc::*, layer::*,
    replay::*, source::*, token::*, transport::*, *,
};
