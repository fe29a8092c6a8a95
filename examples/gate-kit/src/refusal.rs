//! One shape for everything that is refused: a page for browsers, problem+json for programs.

use incode_core::gate::{Audience, Denial};
use incode_core::http::{Problem, Reply};

use crate::{BasePath, RequestContext, view};

/// The application's own rendering; the layer, the gate and the extractors use it too.
pub(crate) fn render(base: &BasePath, problem: &Problem, audience: Audience) -> Option<Reply> {
    audience.html.then(|| view::problem(base, problem))
}

/// What this site refuses by itself, rendered as everything else is.
pub(crate) fn refuse(base: &BasePath, problem: &Problem, request: &RequestContext) -> Reply {
    render(base, problem, audience(request)).unwrap_or_else(|| problem.reply())
}

/// What the gate refuses.
pub(crate) fn deny(denial: &Denial, request: &RequestContext) -> Reply {
    denial.reply(audience(request))
}

/// 404, or 405 with `Allow` when the path is right.
pub(crate) fn unrouted(base: &BasePath, request: &RequestContext, routes: &[(&str, &'static str)]) -> Reply {
    let problem = match routes.iter().find(|(path, _)| *path == request.path) {
        Some((_, allow)) => Problem::new(405, "method_not_allowed", "Method not allowed", format!("Use {allow}."))
            .header("allow", *allow),
        None => not_found(),
    };
    refuse(base, &problem, request)
}

pub(crate) fn not_found() -> Problem {
    Problem::new(404, "not_found", "Not here", "There is nothing at this address.")
}

pub(crate) fn cross_site() -> Problem {
    Problem::new(403, "cross_site_request", "Refused", "This was sent from another site. Use this site's own page.")
}

fn audience(request: &RequestContext) -> Audience {
    let mut audience = Audience::default();
    audience.html = request.html;
    audience
}
