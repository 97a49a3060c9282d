//! Markdown as organisers write it, made into HTML or plain text.
//!
//! Only what cannot do harm: paragraphs, headings (made small, for a page has its own), emphasis, lists,
//! quotations, code, and links to web pages and mail addresses. HTML is shown as it is written, pictures are
//! told by their text, and a link that leads elsewhere is only its words. A line break stays one, as in a
//! plain text.

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// The text as HTML.
pub fn html(text: &str) -> String {
    let mut to = Html::default();
    Parser::new_ext(text, Options::empty()).for_each(|event| to.event(event));
    to.out
}

/// The text without its marks, for mails and calendars.
pub fn plain(text: &str) -> String {
    let mut to = Plain::default();
    Parser::new_ext(text, Options::empty()).for_each(|event| to.event(event));
    let lines: Vec<&str> = to.out.lines().map(str::trim_end).collect();
    lines.join("\n").trim().to_owned()
}

/// Whether a link leads to where a reader expects it.
fn leads_on(address: &str) -> bool {
    let lower = address.trim().to_ascii_lowercase();
    let control = |c: char| c.is_control() || c.is_whitespace();
    ["https://", "http://", "mailto:"].iter().any(|scheme| lower.starts_with(scheme))
        && !address.contains(control)
}

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
}

#[derive(Default)]
struct Html {
    out: String,
    /// For each link that is open, whether it is one.
    links: Vec<bool>,
}

impl Html {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(end) => self.end(end),
            Event::Code(code) => {
                self.out.push_str("<code>");
                escape(&code, &mut self.out);
                self.out.push_str("</code>");
            }
            Event::SoftBreak | Event::HardBreak => self.out.push_str("<br>\n"),
            Event::Rule => self.out.push_str("<hr>\n"),
            Event::Text(text)
            | Event::Html(text)
            | Event::InlineHtml(text)
            | Event::InlineMath(text)
            | Event::DisplayMath(text)
            | Event::FootnoteReference(text) => escape(&text, &mut self.out),
            Event::TaskListMarker(_) => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Paragraph => self.out.push_str("<p>"),
            Tag::Heading { level, .. } => self.out.push_str(open_heading(level)),
            Tag::BlockQuote(_) => self.out.push_str("<blockquote>\n"),
            Tag::CodeBlock(_) => self.out.push_str("<pre><code>"),
            Tag::List(None) => self.out.push_str("<ul>\n"),
            Tag::List(Some(1)) => self.out.push_str("<ol>\n"),
            Tag::List(Some(first)) => self.out.push_str(&format!("<ol start=\"{first}\">\n")),
            Tag::Item => self.out.push_str("<li>"),
            Tag::Emphasis => self.out.push_str("<em>"),
            Tag::Strong => self.out.push_str("<strong>"),
            Tag::Link { dest_url, .. } => {
                let leads = leads_on(&dest_url);
                self.links.push(leads);
                if leads {
                    self.out.push_str("<a rel=\"nofollow noopener\" href=\"");
                    escape(&dest_url, &mut self.out);
                    self.out.push_str("\">");
                }
            }
            // HTML stands there as it is written.
            Tag::HtmlBlock => self.out.push_str("<p>"),
            // Its text tells what it shows.
            Tag::Image { .. } => {}
            _ => {}
        }
    }

    fn end(&mut self, end: TagEnd) {
        match end {
            TagEnd::Paragraph | TagEnd::HtmlBlock => self.out.push_str("</p>\n"),
            TagEnd::Heading(level) => self.out.push_str(close_heading(level)),
            TagEnd::BlockQuote(_) => self.out.push_str("</blockquote>\n"),
            TagEnd::CodeBlock => self.out.push_str("</code></pre>\n"),
            TagEnd::List(true) => self.out.push_str("</ol>\n"),
            TagEnd::List(false) => self.out.push_str("</ul>\n"),
            TagEnd::Item => self.out.push_str("</li>\n"),
            TagEnd::Emphasis => self.out.push_str("</em>"),
            TagEnd::Strong => self.out.push_str("</strong>"),
            TagEnd::Link if self.links.pop() == Some(true) => self.out.push_str("</a>"),
            _ => {}
        }
    }
}

/// The page has a heading of the first level, and sections of the second.
fn open_heading(level: HeadingLevel) -> &'static str {
    if level == HeadingLevel::H1 { "<h3>" } else { "<h4>" }
}

fn close_heading(level: HeadingLevel) -> &'static str {
    if level == HeadingLevel::H1 { "</h3>\n" } else { "</h4>\n" }
}

#[derive(Default)]
struct Plain {
    out: String,
    /// The number of the next item of each list that is open; none: it has no numbers.
    lists: Vec<Option<u64>>,
    /// Where each open link leads, if anywhere, and where its words begin.
    links: Vec<(Option<String>, usize)>,
    /// Whether an item has just begun, and its first paragraph goes on in its line.
    in_item: bool,
}

impl Plain {
    /// A new paragraph: behind an empty line.
    fn paragraph(&mut self) {
        if self.in_item {
            self.in_item = false;
        } else if !self.out.is_empty() {
            self.line();
            if self.lists.is_empty() && !self.out.ends_with("\n\n") {
                self.out.push('\n');
            }
        }
    }

    fn line(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with('\n') {
            self.out.push('\n');
        }
    }

    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(
                Tag::Paragraph | Tag::Heading { .. } | Tag::CodeBlock(_) | Tag::HtmlBlock,
            ) => {
                self.paragraph();
            }
            Event::Start(Tag::List(first)) => {
                if self.lists.is_empty() && !self.out.is_empty() {
                    self.line();
                    self.out.push('\n');
                }
                self.lists.push(first);
            }
            Event::End(TagEnd::List(_)) => _ = self.lists.pop(),
            Event::Start(Tag::Item) => {
                self.line();
                let depth = self.lists.len().saturating_sub(1);
                self.out.push_str(&"  ".repeat(depth));
                match self.lists.last_mut() {
                    Some(Some(number)) => {
                        self.out.push_str(&format!("{number}. "));
                        *number += 1;
                    }
                    _ => self.out.push_str("– "),
                }
                self.in_item = true;
            }
            Event::End(TagEnd::Item) => self.in_item = false,
            Event::Start(Tag::Link { dest_url, .. }) => {
                let leads = leads_on(&dest_url).then(|| dest_url.to_string());
                self.links.push((leads, self.out.len()));
            }
            Event::End(TagEnd::Link) => {
                if let Some((Some(address), from)) = self.links.pop()
                    && !address.ends_with(&self.out[from..])
                {
                    self.out.push_str(&format!(" ({address})"));
                }
            }
            Event::SoftBreak | Event::HardBreak => self.out.push('\n'),
            Event::Rule => self.paragraph(),
            Event::Text(text)
            | Event::Code(text)
            | Event::Html(text)
            | Event::InlineHtml(text)
            | Event::InlineMath(text)
            | Event::DisplayMath(text)
            | Event::FootnoteReference(text) => {
                self.in_item = false;
                self.out.push_str(&text);
            }
            Event::Start(_) | Event::End(_) | Event::TaskListMarker(_) => {}
        }
    }
}

#[cfg(test)]
mod tests;
