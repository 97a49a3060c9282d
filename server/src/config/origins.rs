//! Origins of pages (<https://html.spec.whatwg.org/#ascii-serialisation-of-an-origin>).

use axum::http::Uri;
use std::fmt;
use std::str::FromStr;

/// Origins that the owner names, as browsers write them, separated by commas.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Origins(Vec<String>);

impl Origins {
    /// Whether this origin is named.
    pub fn has(&self, origin: &str) -> bool {
        self.0.iter().any(|named| named == origin)
    }
}

impl FromStr for Origins {
    type Err = String;

    fn from_str(text: &str) -> Result<Origins, String> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(origin).collect::<Result<_, _>>().map(Origins)
    }
}

impl fmt::Display for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

/// An origin as a browser sends it: scheme and host in small letters, and the port unless it is the usual one.
fn origin(text: &str) -> Result<String, String> {
    let wrong = || {
        format!(
            "“{text}” is no origin of pages: write the scheme and the host, such as https://www.example.org, and the \
             port if it is not the usual one"
        )
    };
    let uri: Uri = text.parse().map_err(|_| wrong())?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(wrong());
    };
    let usual = match scheme {
        "https" => 443,
        "http" => 80,
        _ => return Err(wrong()),
    };
    let bare = uri.path_and_query().is_none_or(|path| path == "/") && !text.ends_with('/');
    let odd = authority.as_str().contains(['@', '*']) || authority.host().is_empty();
    if !bare || odd {
        return Err(wrong());
    }
    let host = authority.host().to_ascii_lowercase();
    Ok(match authority.port_u16().filter(|port| *port != usual) {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_written_as_browsers_write_them() {
        let read = |text: &str| text.parse::<Origins>().map(|origins| origins.to_string());
        for (text, told) in [
            ("", ""),
            ("https://www.example.org", "https://www.example.org"),
            (
                " https://A.example:443 , http://b.example:8080,",
                "https://a.example,http://b.example:8080",
            ),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://[::1]:3000", "http://[::1]:3000"),
        ] {
            assert_eq!(read(text), Ok(told.to_owned()), "{text}");
        }
        for wrong in [
            "*",
            "null",
            "www.example.org",
            "https://",
            "https://a.example/",
            "https://a.example/shop",
            "https://a.example?x",
            "https://user@a.example",
            "ftp://a.example",
            "https://*.example.org",
            "https://a.example https://b.example",
        ] {
            assert!(read(wrong).is_err(), "{wrong}: {:?}", read(wrong));
        }
        let origins: Origins = "https://a.example".parse().expect("an origin");
        assert!(origins.has("https://a.example"));
        for other in [
            "http://a.example",
            "https://a.example:444",
            "https://a.example.evil.example",
            "null",
            "",
        ] {
            assert!(!origins.has(other), "{other}");
        }
    }
}
