//! The frame of a page: head, way through it, sections, foot.
//!
//! Its policy lets a browser use the one style and the one script that are in it, and nothing
//! else: no load, no frame, no form, not even if some text got past the escaping. Called by this
//! module's pages and by `campaign`.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// A part of a page.
#[derive(Clone, Debug)]
pub struct Section {
    /// What refers to it; once in a page, letters and dashes alone.
    pub id: &'static str,
    /// What stands over it.
    pub title: &'static str,
    /// What is in it.
    pub body: Markup,
}

impl Section {
    /// A section, if there is anything in it.
    #[must_use]
    pub fn of(id: &'static str, title: &'static str, body: Markup) -> Option<Self> {
        (!body.0.is_empty()).then_some(Self { id, title, body })
    }
}

/// A whole page: `head` is what everybody reads, then come the sections.
#[must_use]
pub fn page(title: &str, subject: &str, head: &Markup, sections: &[Section]) -> String {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy());
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content="stentor";
                title { (title) " · stentor" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#content" { "Skip to the results" }
                header.top {
                    p.mark { "stentor" }
                    h1 { (subject) }
                }
                main id="content" {
                    (head)
                    nav aria-label="Sections" {
                        ul { @for section in sections { li { a href={ "#" (section.id) } { (section.title) } } } }
                    }
                    @for section in sections {
                        section id=(section.id) aria-labelledby={ (section.id) "-head" } {
                            h2 id={ (section.id) "-head" } { (section.title) }
                            (section.body)
                        }
                    }
                }
                footer { p { "Made by stentor " (env!("CARGO_PKG_VERSION")) " from the record beside it. This file loads nothing." } }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    markup.into_string()
}

fn policy() -> String {
    let hash = |text: &str| STANDARD.encode(digest(&SHA256, text.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; \
         form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}
