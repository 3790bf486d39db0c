//! Many tokens: a cache for each key, and the layer that picks the key.

mod bounds;
mod crossing;
mod keeping;
mod layer;
mod sockets;
mod support;
