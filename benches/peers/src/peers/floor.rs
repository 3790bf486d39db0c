//! tower-http's layer with a constant header: the cost of the header itself.
//!
//! Two floors. A static value has no reference count. A value that was read at run time, such as a
//! token from the environment, has one, and threads contend for it.

use http::{HeaderValue, header::AUTHORIZATION};
use tower::Layer;
use tower_http::set_header::SetRequestHeaderLayer;
use tower_oauth2_client_credentials::BoxError;

use crate::peer::{Build, Contestant, Driven, Layered, Setup, driven};

pub const NAME: &str = "static header (floor)";

/// A token that is far from its expiry, as the inner service reads it.
const VALUE: &str = "Bearer 99999999999-0";

pub fn contestants() -> [Contestant; 2] {
    let fixed = "`SetRequestHeaderLayer` with `HeaderValue::from_static`";
    let read = "`SetRequestHeaderLayer` with a value that was read at run time";
    [
        contestant(NAME, fixed, false, |setup| {
            Box::pin(async { layered(setup, HeaderValue::from_static(VALUE)) })
        }),
        contestant("environment token (second floor)", read, true, |setup| {
            Box::pin(async { layered(setup, HeaderValue::from_str(VALUE)?) })
        }),
    ]
}

fn contestant(
    name: &'static str,
    way: &'static str,
    hot_path_only: bool,
    build: Build,
) -> Contestant {
    let (package, no_herd) = ("tower-http", Some("needs no token"));
    Contestant { name, package, way, renewed_every_3s: 3, no_herd, hot_path_only, build }
}

fn layered(setup: Setup, value: HeaderValue) -> Result<Box<dyn Driven>, BoxError> {
    let layer = SetRequestHeaderLayer::overriding(AUTHORIZATION, value);
    driven(Layered(layer.layer(setup.inner)))
}
