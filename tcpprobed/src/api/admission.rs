//! Every request, whichever service it is for, before anything of it is looked at: where there are too many it waits, or is
//! refused.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::{Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::codegen::{BoxFuture, Bytes};
use tower::{Layer, Service};

use super::peer::Peer;
use super::quota::{Permit, Quota, Refusal};
use crate::jobs::Jobs;

/// Lets requests in.
#[derive(Clone)]
pub struct Admission {
    quota: Quota,
    jobs: Arc<Jobs>,
}

impl Admission {
    /// As many as the configuration of these jobs says.
    #[must_use]
    pub fn new(quota: Quota, jobs: Arc<Jobs>) -> Self {
        Admission { quota, jobs }
    }

    fn admit<T>(&self, request: &Request<T>) -> Result<(Permit, Duration), Status> {
        let peer = request.extensions().get::<Arc<Peer>>();
        let peer = peer.ok_or_else(|| Status::internal("nobody knows who asks"))?;
        peer.asks();
        let refused = |refusal: Refusal| Status::resource_exhausted(refusal.to_string());
        match &peer.rejected {
            Some(refusal) => Err(refused(refusal.clone())),
            None => self.quota.call(&peer.user, &self.jobs.config().limits).map_err(refused),
        }
    }
}

impl<S> Layer<S> for Admission {
    type Service = Admitted<S>;

    fn layer(&self, inner: S) -> Admitted<S> {
        Admitted { admission: self.clone(), inner }
    }
}

/// A service whose requests are let in.
#[derive(Clone)]
pub struct Admitted<S> {
    admission: Admission,
    inner: S,
}

impl<S> Service<Request<Body>> for Admitted<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<Response<Body>, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match self.admission.admit(&request) {
            Err(status) => Box::pin(std::future::ready(Ok(status.into_http()))),
            Ok((permit, wait)) => {
                // The one that is ready; the next request gets a copy.
                let copy = self.inner.clone();
                let mut inner = std::mem::replace(&mut self.inner, copy);
                Box::pin(async move {
                    if !wait.is_zero() {
                        tokio::time::sleep(wait).await;
                    }
                    Ok(inner.call(request).await?.map(|body| Body::new(Answer { body, _permit: permit })))
                })
            }
        }
    }
}

/// An answer, whose request is open until all of it is sent.
struct Answer {
    body: Body,
    _permit: Permit,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
