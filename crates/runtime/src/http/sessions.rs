//! Sessions of revisions before 2026-07-28: only as many as servers.toml allows, each for whoever
//! opened it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::HeaderValue;
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::streamable_http_server::session::local::{
    LocalSessionManager, LocalSessionManagerError,
};
use rmcp::transport::streamable_http_server::session::{
    ServerSseMessage, SessionId, SessionManager,
};

/// What the refusal says.
pub(super) const FULL: &str = "as many sessions are open as may be";

/// rmcp's in-memory sessions, with a cap.
pub(super) struct Capped {
    inner: LocalSessionManager,
    cap: usize,
    /// The identity that opened each.
    owners: Mutex<HashMap<String, String>>,
}

impl Capped {
    pub(super) fn new(cap: usize) -> Self {
        Self { inner: LocalSessionManager::default(), cap, owners: Mutex::default() }
    }

    /// Binds a session to the identity that opened it, before anybody knows its id.
    pub(super) async fn bind(&self, id: &HeaderValue, identity: &str) {
        let Ok(id) = id.to_str() else { return };
        let open = self.inner.sessions.read().await;
        let mut owners = self.owners();
        owners.retain(|id, _| open.contains_key(id.as_str()));
        owners.insert(id.to_owned(), identity.to_owned());
    }

    /// Whether the session is one that this identity opened.
    pub(super) fn is_of(&self, id: &HeaderValue, identity: &str) -> bool {
        let owners = self.owners();
        id.to_str().ok().and_then(|id| owners.get(id)).is_some_and(|owner| owner == identity)
    }

    fn owners(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session that cannot be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    #[error("{FULL}; close one, or use a client of revision 2026-07-28")]
    Full,
    #[error(transparent)]
    Inner(#[from] LocalSessionManagerError),
}

impl SessionManager for Capped {
    type Error = SessionError;
    type Transport = <LocalSessionManager as SessionManager>::Transport;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), SessionError> {
        if self.inner.sessions.read().await.len() >= self.cap {
            return Err(SessionError::Full);
        }
        Ok(self.inner.create_session().await?)
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, SessionError> {
        Ok(self.inner.initialize_session(id, message).await?)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, SessionError> {
        Ok(self.inner.has_session(id).await?)
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), SessionError> {
        Ok(self.inner.close_session(id).await?)
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<
        impl futures_util::Stream<Item = ServerSseMessage> + Send + Sync + 'static,
        SessionError,
    > {
        Ok(self.inner.create_stream(id, message).await?)
    }

    async fn accept_message(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<(), SessionError> {
        Ok(self.inner.accept_message(id, message).await?)
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<
        impl futures_util::Stream<Item = ServerSseMessage> + Send + Sync + 'static,
        SessionError,
    > {
        Ok(self.inner.create_standalone_stream(id).await?)
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<
        impl futures_util::Stream<Item = ServerSseMessage> + Send + Sync + 'static,
        SessionError,
    > {
        Ok(self.inner.resume(id, last_event_id).await?)
    }
}
