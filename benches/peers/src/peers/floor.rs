//! tower-http's layer with a constant header: the cost of the header itself.

use http::{HeaderValue, header::AUTHORIZATION};
use tower::Layer;
use tower_http::set_header::SetRequestHeaderLayer;

use crate::peer::{Contestant, Layered, driven};

pub const NAME: &str = "static header (floor)";

pub fn contestant() -> Contestant {
    Contestant {
        name: NAME,
        package: "tower-http",
        way: "`SetRequestHeaderLayer` with a value that never changes",
        renewed_every_3s: 3,
        no_herd: Some("needs no token"),
        hot_path_only: false,
        build: |setup| {
            Box::pin(async move {
                // Far from expiry, as this is.
                let value = HeaderValue::from_static("Bearer 99999999999-0");
                let layer = SetRequestHeaderLayer::overriding(AUTHORIZATION, value);
                driven(Layered(layer.layer(setup.inner)))
            })
        },
    }
}
