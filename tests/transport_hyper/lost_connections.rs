//! Requests on connections that the server closes.

use tower_oauth2_client_credentials::{
    ClientCredentials, TokenSource as _, event::AcquisitionReason, source::AcquireContext,
};

use super::{
    one_request::OneRequest,
    support::{Authority, bounded},
};

#[tokio::test]
async fn a_document_is_asked_for_again_on_a_new_connection() {
    for _ in 0..10 {
        let server = OneRequest::start().await;
        let source = ClientCredentials::discover(format!("http://{}", server.addr))
            .client_secret_basic("id", "hunter2")
            .transport(Authority::new().client().build().unwrap())
            .build()
            .unwrap();
        let metadata = bounded(source.server_metadata()).await.unwrap();
        assert!(metadata.is_some());
        assert_eq!(server.metadata_requests(), [1, 2], "the second place is asked again");
        bounded(source.acquire(AcquireContext::new(AcquisitionReason::Missing))).await.unwrap();
    }
}
