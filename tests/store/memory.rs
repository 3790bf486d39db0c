//! The store in memory, which tests of users take for a real one.

use tower_oauth2_client_credentials::store::MemoryStore;

use crate::conformance::conforms;

#[tokio::test]
async fn it_conforms() {
    let store = MemoryStore::new();
    conforms(store.clone(), store).await;
}
