//! An `Arc` of a source is a source.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering},
};

use tower_oauth2_client_credentials::{
    Error, Token, TokenCache, TokenSource,
    source::{AcquireContext, CacheHandle},
};

#[derive(Default)]
struct Named {
    asked: AtomicU32,
    handles: Mutex<Vec<CacheHandle>>,
}

impl TokenSource for Named {
    async fn acquire(&self, _: AcquireContext) -> Result<Token, Error> {
        Token::bearer(format!("t{}", self.asked.fetch_add(1, Ordering::SeqCst)))
    }

    fn name(&self) -> String {
        "billing".to_owned()
    }

    fn attach(&self, cache: CacheHandle) {
        self.handles.lock().unwrap().push(cache);
    }
}

#[tokio::test(start_paused = true)]
async fn two_caches_share_a_source_with_its_name_and_its_handles() {
    let source = Arc::new(Named::default());
    let caches = [0, 1].map(|_| TokenCache::new(Arc::clone(&source)));
    assert_eq!(caches.each_ref().map(TokenCache::name), ["billing", "billing#2"]);
    for (number, cache) in caches.iter().enumerate() {
        assert_eq!(cache.get().await.unwrap().secret(), format!("t{number}"));
    }
    let handles: Vec<_> = source.handles.lock().unwrap().clone();
    assert_eq!(handles.len(), 2);
    handles[1].clear();
    assert!(caches[0].peek().is_some() && caches[1].peek().is_none());
}
