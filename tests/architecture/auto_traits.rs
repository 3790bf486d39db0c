//! The auto traits and `Debug` of each public type. Losing one breaks users.

use std::{fmt::Debug, future::Ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::util::ServiceFn;
use tower_oauth2_client_credentials::{
    BoxError, ClientCredentials, Error, ErrorKind, Event, OAuthClientCredentials,
    OAuthClientCredentialsLayer, Origins, Token, TokenCache,
    cache::{Get, Readiness, ReadinessWatch, Replacement, TokenCacheBuilder},
    client_auth::{AssertionAudience, Secret},
    clock::SystemClock,
    config::ClientCredentialsConfig,
    endpoint::{ClientCredentialsBuilder, ParameterValue, ServerMetadata},
    event::{
        AcquisitionReason, EventKind, NotReplayedReason, Observer, RejectionAction, ReplayReason,
        ResultOrigin, StoreOperation, StoreOutcome, WithheldReason,
    },
    grpc::{Grpc, OAuthGrpc, ResponseBody},
    layer::{
        ExistingAuthorization, Http, RejectionPolicy, RequestHead, ResponseFuture, SkipToken,
        WithoutToken,
    },
    replay::{BufferBodies, Buffered, CloneBodies, EmptyBodies, NoReplay, Tee},
    source::{AcquireContext, CacheHandle, Sharing},
    token::TokenType,
    transport::{TokenRequest, TokenRequestBody},
};

type Body = Full<Bytes>;
type Inner = ServiceFn<fn(Request<Body>) -> Ready<Result<Response<Body>, BoxError>>>;

/// Types that are `Send`, `Sync`, `Unpin` and `Debug`, those that are all but
/// `Sync`, and those that are all but `Unpin`, since they hold a timer.
macro_rules! assert_traits {
    (all: $($all:ty),* $(,)?; not_sync: $($not_sync:ty),* $(,)?; pinned: $($pinned:ty),* $(,)?) => {
        $(const _: () = all::<$all>();)*
        $(const _: () = not_sync::<$not_sync>();)*
        $(const _: () = pinned::<$pinned>();)*
        pub(crate) const ASSERTED: &[&str] =
            &[$(stringify!($all),)* $(stringify!($not_sync),)* $(stringify!($pinned),)*];
    };
}

const fn all<T: Send + Sync + Unpin + Debug>() {}
const fn pinned<T: Send + Sync + Debug>() {}
const fn not_sync<T: Send + Unpin + Debug>() {}

mod basics {
    use super::*;

    assert_traits! {
        all:
            AcquireContext, AcquisitionReason, AssertionAudience, BoxError, BufferBodies<Body>,
            Buffered<Body>, CacheHandle, ClientCredentials, ClientCredentialsBuilder,
            ClientCredentialsConfig, CloneBodies, EmptyBodies, Error, ErrorKind, Event,
            ExistingAuthorization, Grpc, Http, NoReplay, NotReplayedReason,
            OAuthClientCredentials<Inner>, OAuthClientCredentialsLayer, OAuthGrpc<Inner>, Observer,
            Origins, ParameterValue, Readiness, ReadinessWatch, RejectionAction, RejectionPolicy,
            RequestHead<'_>, ResponseBody<Body>, Secret, ServerMetadata, Sharing, SkipToken, SystemClock,
            Tee<Body>, Token, TokenCache, TokenCacheBuilder, TokenRequest, TokenRequestBody,
            EventKind, ReplayReason, ResultOrigin, StoreOperation, StoreOutcome, TokenType, WithheldReason, WithoutToken,
            ResponseFuture<Inner, Body, EmptyBodies>,
            ResponseFuture<Inner, Body, EmptyBodies, Grpc>;
        not_sync:;
        pinned: Get, Replacement,
    }

    #[test]
    fn each_public_type_is_asserted() {
        let lists = [
            ASSERTED,
            #[cfg(all(feature = "jwt", feature = "dpop"))]
            super::keys::ASSERTED,
            #[cfg(feature = "keyed")]
            super::keyed::ASSERTED,
            #[cfg(feature = "hyper-transport")]
            super::hyper::ASSERTED,
            #[cfg(feature = "reqwest-middleware")]
            super::reqwest::ASSERTED,
            #[cfg(all(feature = "redis", feature = "file-store"))]
            super::store::ASSERTED,
            #[cfg(feature = "testing")]
            super::testing::ASSERTED,
        ];
        // Not the names of type arguments, which assert nothing about a public type of that name.
        let asserted: Vec<_> = lists.concat().into_iter().map(crate::identifier).collect();
        let aliases = include_str!("auto_traits.rs")
            .lines()
            .filter_map(|line| line.trim().strip_prefix("type ").map(crate::identifier));
        for alias in aliases {
            assert!(!asserted.contains(&alias), "write the type that {alias} stands for");
        }
        let all_features = cfg!(all(
            feature = "jwt",
            feature = "dpop",
            feature = "hyper-transport",
            feature = "keyed",
            feature = "reqwest-middleware",
            feature = "redis",
            feature = "file-store",
            feature = "testing"
        ));
        if all_features {
            let missing: Vec<_> = crate::examples::public_types()
                .into_iter()
                .filter(|name| !asserted.contains(&name.as_str()))
                .collect();
            assert!(missing.is_empty(), "assert the auto traits of {missing:?}");
        }
        assert!(asserted.contains(&"TokenCache"));
    }

    #[test]
    fn futures_of_async_functions_are_send() {
        fn is_send<T: Send>(_: T) {}
        fn check(tokens: &TokenCache, watch: &mut ReadinessWatch, source: &ClientCredentials) {
            is_send(tokens.warm_up());
            is_send(tokens.force_refresh());
            is_send(watch.changed());
            is_send(source.server_metadata());
        }
        // Type-checked, and not called.
        let _: fn(&TokenCache, &mut ReadinessWatch, &ClientCredentials) = check;
    }
}

#[cfg(all(feature = "jwt", feature = "dpop"))]
mod keys {
    use tower_oauth2_client_credentials::{
        dpop::DpopKey,
        endpoint::SignedJwt,
        jose::{HmacAlgorithm, SigningAlgorithm, SigningKey, SigningKeySource},
    };

    use super::*;

    assert_traits! {
        all: DpopKey, HmacAlgorithm, SignedJwt, SigningAlgorithm, SigningKey, SigningKeySource;
        not_sync:;
        pinned:
    }
}

#[cfg(all(feature = "redis", feature = "file-store"))]
mod store {
    use tower_oauth2_client_credentials::store::{
        AnnouncementReceiver, Announcer, EntryId, FileStore, Lease, LeaseOwner, MemoryFault,
        MemoryStore, RedisStore, RedisStoreBuilder, SealingKey, Shared, SharedBuilder, SharedStore,
        StoreError, StoredEntry,
    };

    use super::*;

    assert_traits! {
        all:
            AnnouncementReceiver, Announcer, EntryId, FileStore, Lease, LeaseOwner, MemoryFault,
            MemoryStore, RedisStore, RedisStoreBuilder, SealingKey, Shared<ClientCredentials>,
            SharedBuilder<ClientCredentials>, SharedStore, StoreError, StoredEntry;
        not_sync:;
        pinned:
    }
}

#[cfg(feature = "keyed")]
mod keyed {
    use tower_oauth2_client_credentials::{
        KeyedTokenCache, cache::KeyedTokenCacheBuilder, layer::ByKey,
    };

    use super::*;

    type Pick = fn(RequestHead<'_>) -> Option<u32>;

    assert_traits! {
        all:
            ByKey<u32, Pick>, KeyedTokenCache<u32>, KeyedTokenCacheBuilder<u32>,
            OAuthClientCredentials<Inner, EmptyBodies, ByKey<u32, Pick>>,
            OAuthClientCredentialsLayer<EmptyBodies, ByKey<u32, Pick>>;
        not_sync:;
        pinned:
    }
}

#[cfg(feature = "hyper-transport")]
mod hyper {
    use tower_oauth2_client_credentials::transport::{
        ChainAndKey, ClientIdentity, HyperBody, HyperClient, HyperClientFuture, HyperTransport,
        HyperTransportBuilder, HyperTransportFuture, ProxySettings,
    };

    use super::*;

    assert_traits! {
        all:
            ChainAndKey<&str>, ClientIdentity, HyperBody, HyperClient<Body>, HyperTransport,
            HyperTransportBuilder, ProxySettings;
        not_sync: HyperClientFuture, HyperTransportFuture;
        pinned:
    }
}

#[cfg(feature = "reqwest-middleware")]
mod reqwest {
    use tower_oauth2_client_credentials::{
        middleware::OAuthClientCredentialsMiddleware,
        replay::ReqwestBodies,
        transport::{ReqwestFuture, ReqwestService},
    };

    use super::*;

    assert_traits! {
        all: OAuthClientCredentialsMiddleware, ReqwestBodies, ReqwestService;
        not_sync: ReqwestFuture;
        pinned:
    }
}

#[cfg(feature = "testing")]
mod testing {
    use tower_oauth2_client_credentials::testing::{
        AuthorizationServer, AuthorizationServerBuilder, AuthorizationServerService,
        ClientCertificate, ConnectionClosed, DpopVerifier, MockBody, MockResponse,
        MockResponseFuture, MockServer, ProtectedApi, ProtectedApiBuilder, ProtectedApiService,
        RecordedRequest, RegisteredClient, WellKnown,
    };

    use super::*;

    assert_traits! {
        all:
            MockResponse, MockBody, AuthorizationServer, AuthorizationServerBuilder,
            AuthorizationServerService, ClientCertificate, ConnectionClosed, DpopVerifier,
            MockServer, ProtectedApi, ProtectedApiBuilder, ProtectedApiService, RecordedRequest,
            RegisteredClient, WellKnown;
        not_sync: MockResponseFuture;
        pinned:
    }
}
