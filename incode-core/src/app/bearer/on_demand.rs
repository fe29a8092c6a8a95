use std::fmt;
use std::sync::Arc;

use crate::app::Resolved;
use crate::gate::PendingVisitor;

use super::Bearer;
use super::presented::Presented;

/// The visitor of a request that presents a bearer token of which nothing is known here: the vendor is asked when a gate or
/// an extractor needs the visitor, and not before.
///
/// The token is that of the request which the layer saw, on the path that the layer saw. What is inside may change both.
/// Cloning is cheap.
#[derive(Clone)]
pub struct OnDemandVisitor {
    /// Shared by all requests: who asks the vendor.
    pub(super) bearer: Arc<Bearer>,
    pub(super) presented: Presented,
}

impl OnDemandVisitor {
    /// Asks the vendor whose the token is, unless that is known by now. Does nothing until it is polled.
    pub fn load(&self) -> PendingVisitor {
        let visitor = self.clone();
        PendingVisitor::new(async move {
            let bearer = &visitor.bearer;
            match (bearer.known(&visitor), &visitor.presented) {
                (None, Presented::Token(token)) => bearer.find_out(token.clone(), token.hash()).await,
                (Some(Resolved::Ready(known)), _) => known,
                (Some(Resolved::Pending(load)), _) => load.await,
                // Not reached: what is known is not asked about, and nothing but a token is unknown.
                (Some(Resolved::OnDemand(_)) | None, _) => bearer.near.out_of_reach(),
            }
        })
    }
}

/// Without the token.
impl fmt::Debug for OnDemandVisitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnDemandVisitor").finish_non_exhaustive()
    }
}
