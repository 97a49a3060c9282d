//! Forms with files: `multipart/form-data` (RFC 7578), as browsers send it.

use super::problem::Problem;
use axum::http::{HeaderMap, header};

/// The most parts that are read.
const MOST_PARTS: usize = 20;
/// The longest delimiter (RFC 2046, 5.1.1).
const LONGEST: usize = 70;

/// A field of the form.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Part {
    name: String,
    /// Whether it is a file.
    file: bool,
    bytes: Vec<u8>,
}

/// A form with files.
pub struct Multipart(Vec<Part>);

impl Multipart {
    /// Reads a body; the content type must say that it is one.
    pub fn read(headers: &HeaderMap, body: &[u8]) -> Result<Multipart, Problem> {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
        super::extract::expect_type(headers, "multipart/form-data")?;
        let parts = delimiter(kind).and_then(|delimiter| parts(body, delimiter));
        parts.map(Multipart).ok_or_else(|| {
            Problem::invalid(
                "The form with the file ended in the middle, or it is malformed. Nothing was done.",
            )
        })
    }

    /// A field that is a text, without the blanks around it; empty if it was not sent.
    pub fn text(&self, name: &str) -> String {
        String::from_utf8_lossy(self.exact(name)).trim().to_owned()
    }

    /// A field that is a text, just as it was sent; empty if it was not sent.
    pub fn exact(&self, name: &str) -> &[u8] {
        let part = self.0.iter().find(|part| part.name == name && !part.file);
        part.map_or(&[], |part| &part.bytes)
    }

    /// A file; none where none was chosen.
    pub fn file(self, name: &str) -> Option<Vec<u8>> {
        let part = self.0.into_iter().find(|part| part.name == name && part.file)?;
        (!part.bytes.is_empty()).then_some(part.bytes)
    }
}

/// What stands between the parts.
fn delimiter(kind: &str) -> Option<&str> {
    let parameters = kind.split(';').skip(1).map(str::trim);
    let mut boundary = parameters.filter_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.eq_ignore_ascii_case("boundary").then_some(value)
    });
    let boundary = boundary.next()?;
    let boundary = boundary.strip_prefix('"').and_then(|b| b.strip_suffix('"')).unwrap_or(boundary);
    (!boundary.is_empty() && boundary.len() <= LONGEST).then_some(boundary)
}

fn find(bytes: &[u8], what: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    // By its first byte first: pictures are long.
    let first = *what.first()?;
    let mut at = 0;
    while let Some(next) = rest.get(at..)?.iter().position(|byte| *byte == first) {
        at += next;
        if rest[at..].starts_with(what) {
            return Some(from + at);
        }
        at += 1;
    }
    None
}

fn parts(body: &[u8], delimiter: &str) -> Option<Vec<Part>> {
    let opens = format!("--{delimiter}");
    let ends = format!("\r\n--{delimiter}");
    let mut at = find(body, opens.as_bytes(), 0)? + opens.len();
    let mut parts = Vec::new();
    loop {
        let rest = body.get(at..)?;
        if rest.starts_with(b"--") {
            return Some(parts);
        }
        if parts.len() == MOST_PARTS {
            return None;
        }
        // Blanks may stand behind the delimiter.
        let head = at + find(rest, b"\r\n", 0)? + 2;
        let content = match body.get(head..)?.starts_with(b"\r\n") {
            true => head,
            false => find(body, b"\r\n\r\n", head)? + 2,
        };
        let end = find(body, ends.as_bytes(), content)?;
        let bytes = body.get(content + 2..end).unwrap_or_default().to_vec();
        let head = std::str::from_utf8(body.get(head..content)?).ok()?;
        let (name, file) = named(head)?;
        parts.push(Part { name, file, bytes });
        at = end + ends.len();
    }
}

/// The name of a part, and whether it is a file.
fn named(head: &str) -> Option<(String, bool)> {
    let line = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
    })?;
    let quoted = |name: &str| {
        let (_, rest) = line.split_once(&format!("; {name}=\""))?;
        Some(rest.split_once('"')?.0.to_owned())
    };
    Some((quoted("name")?, line.contains("; filename")))
}

#[cfg(test)]
mod tests;
