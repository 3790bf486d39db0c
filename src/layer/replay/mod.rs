//! Replay policies: which bodies can be sent again after a token was rejected. The policy is a type
//! parameter of the layer, so an unused policy costs nothing.

mod buffer;
mod policy;
#[cfg(feature = "reqwest")]
mod reqwest;
mod tee;
#[cfg(test)]
mod tests;

#[cfg(feature = "reqwest")]
pub use self::reqwest::ReqwestBodies;
pub use self::{
    buffer::{BufferBodies, Buffered},
    policy::{CloneBodies, EmptyBodies, NoReplay, ReplayPolicy},
    tee::Tee,
};
