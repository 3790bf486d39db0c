//! Many tokens: one cache per key, and the layer that picks the key.

mod bounds;
mod crossing;
mod destructors;
mod keeping;
mod layer;
mod slow_lookup;
mod sockets;
mod support;
