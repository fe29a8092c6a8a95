//! A problem as a small page for a person: no script, no dependency, readable without its style.

use std::sync::LazyLock;

use data_encoding::BASE64;
use sha2::{Digest, Sha256};

use super::page_texts::{self, Texts};
use super::{Language, Problem, Reply, is_local_path};

/// What the built-in pages show of the application: its name, and where it has them its logo and stylesheet.
///
/// ```
/// use incode_core::http::Brand;
/// let brand = Brand::new("Example Bank").logo("/static/logo.svg").stylesheet("/static/incode.css");
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Brand {
    name: String,
    logo: Option<String>,
    stylesheet: Option<String>,
}

impl Brand {
    /// The name, shown above each page and in its title.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// A picture, by its path on this host.
    pub fn logo(mut self, path: &str) -> Self {
        self.logo = Some(path.to_owned());
        self
    }

    /// A stylesheet, by its path on this host. It is loaded after the page's own style, and may replace it.
    pub fn stylesheet(mut self, path: &str) -> Self {
        self.stylesheet = Some(path.to_owned());
        self
    }

    /// Whether the paths lead nowhere else.
    pub(crate) fn is_legal(&self) -> bool {
        [&self.logo, &self.stylesheet].into_iter().flatten().all(|path| is_local_path(path))
    }
}

/// The page, with headers that let it load nothing but the brand's files from this host. One that may be `reloaded` asks
/// again by itself when the problem is expected to pass.
pub(crate) fn page(problem: &Problem, brand: Option<&Brand>, language: Language, may_reload: bool) -> Reply {
    let texts = page_texts::of(problem, language);
    let html = html(problem, brand, language, &texts, may_reload);
    let reply = Reply::new(problem.status).body("text/html; charset=utf-8", html.into_bytes());
    problem.protect(
        reply
            .header("content-language", language.tag())
            .header("content-security-policy", &**POLICY)
            .header("referrer-policy", "no-referrer")
            .header("x-content-type-options", "nosniff"),
    )
}

fn html(problem: &Problem, brand: Option<&Brand>, language: Language, texts: &Texts<'_>, may_reload: bool) -> String {
    let name = brand.map_or("", |brand| brand.name.as_str());
    let title =
        if name.is_empty() { escaped(texts.title) } else { format!("{} - {}", escaped(texts.title), escaped(name)) };
    let refresh = match problem.reloads_after().filter(|_| may_reload) {
        Some(seconds) => format!("<meta http-equiv=\"refresh\" content=\"{}\">", escaped(seconds)),
        None => String::new(),
    };
    let path = |path: &dyn Fn(&Brand) -> Option<&String>| brand.and_then(path).map(|path| escaped(path));
    let stylesheet = path(&|brand| brand.stylesheet.as_ref())
        .map_or_else(String::new, |path| format!("<link rel=\"stylesheet\" href=\"{path}\">"));
    let logo =
        path(&|brand| brand.logo.as_ref()).map_or_else(String::new, |path| format!("<img src=\"{path}\" alt=\"\">"));
    let header = if name.is_empty() && logo.is_empty() {
        String::new()
    } else {
        format!("<header>{logo}<span>{}</span></header>", escaped(name))
    };
    let links: String = [
        (problem.login_url(), texts.log_in),
        (problem.verify_url(), texts.verify),
        (problem.step_up_url(), texts.confirm),
    ]
    .into_iter()
    .filter_map(|(url, text)| Some(format!("<p><a href=\"{}\">{}</a></p>", escaped(url?), escaped(text))))
    .collect();
    let (tag, heading, detail, code) =
        (language.tag(), escaped(texts.title), escaped(texts.detail), escaped(problem.code));
    format!(
        "<!doctype html><html lang=\"{tag}\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">{refresh}<title>{title}</title>\
         <style>{STYLE}</style>{stylesheet}</head><body>{header}\
         <main><h1>{heading}</h1><p>{detail}</p>{links}<p><small>{code}</small></p></main></body></html>"
    )
}

/// Inside of text and of quoted attributes.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            char => escaped.push(char),
        }
    }
    escaped
}

/// Contrast 7:1 and more, also in the dark; nothing is wider than 320 px.
const STYLE: &str = "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:3rem auto;padding:0 1rem;\
                     color:#1a1a1a;background:#fff;overflow-wrap:anywhere}header{display:flex;gap:.75rem;\
                     align-items:center;font-weight:600}img{max-height:3rem;max-width:50%}a{color:#003c9e}\
                     small{color:#4a4a4a}@media(prefers-color-scheme:dark){body{color:#f0f0f0;background:#161616}\
                     a{color:#a9c7ff}small{color:#c4c4c4}}";

/// The page's own style by its hash, and files of this host; nothing else, and in no frame.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = BASE64.encode(&Sha256::digest(STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'self' 'sha256-{style}'; img-src 'self'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    )
});

#[cfg(test)]
mod tests;
