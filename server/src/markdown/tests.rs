//! What is written, and what comes of it.

use super::*;
use crate::fuzz::check;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

#[test]
fn what_is_written_plainly_stays_as_it_was() {
    let text = "Doors open at 19:00.\nNo bags.\n\nSee you & us.";
    assert_eq!(html(text), "<p>Doors open at 19:00.<br>\nNo bags.</p>\n<p>See you &amp; us.</p>\n");
    assert_eq!(plain(text), text);
}

#[test]
fn marks_are_html_and_leave_the_plain_text() {
    let text = "# Night\n\n**Loud** and *long*, [more](https://example.org/?a=1&b=2).\n\n- one\n- two\n  - three\n\n\
                3. third\n4. fourth\n\n> said\n\n---\n\n`code`";
    assert_eq!(
        html(text),
        "<h3>Night</h3>\n<p><strong>Loud</strong> and <em>long</em>, \
         <a rel=\"nofollow noopener\" href=\"https://example.org/?a=1&amp;b=2\">more</a>.</p>\n\
         <ul>\n<li>one</li>\n<li>two<ul>\n<li>three</li>\n</ul>\n</li>\n</ul>\n\
         <ol start=\"3\">\n<li>third</li>\n<li>fourth</li>\n</ol>\n\
         <blockquote>\n<p>said</p>\n</blockquote>\n<hr>\n<p><code>code</code></p>\n"
    );
    assert_eq!(
        plain(text),
        "Night\n\nLoud and long, more (https://example.org/?a=1&b=2).\n\n– one\n– two\n  – three\n\n\
         3. third\n4. fourth\n\nsaid\n\ncode"
    );
    assert_eq!(
        plain("<https://example.org> <mailto:a@b.org>"),
        "https://example.org mailto:a@b.org"
    );
}

#[test]
fn nothing_but_text_and_harmless_links_comes_through() {
    for (text, shown) in [
        ("<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>\n"),
        ("a <b onclick=x>b</b>", "<p>a &lt;b onclick=x&gt;b&lt;/b&gt;</p>\n"),
        ("[x](javascript:alert(1))", "<p>x</p>\n"),
        ("[x](JaVaScRiPt:alert(1))", "<p>x</p>\n"),
        ("[x](data:text/html,hi)", "<p>x</p>\n"),
        ("[x](//example.org)", "<p>x</p>\n"),
        ("[x](/office)", "<p>x</p>\n"),
        ("![a cat](https://example.org/cat.png)", "<p>a cat</p>\n"),
        (
            "[x](https://example.org/\"onclick=\"x)",
            "<p><a rel=\"nofollow noopener\" href=\"https://example.org/&quot;onclick=&quot;x\">x</a></p>\n",
        ),
    ] {
        assert_eq!(html(text), shown, "{text}");
    }
}

/// Every tag is one of these, and each is closed.
#[test]
fn whatever_is_written_the_html_is_whole() {
    const TAGS: [&str; 14] = [
        "p",
        "h3",
        "h4",
        "blockquote",
        "pre",
        "code",
        "ul",
        "ol",
        "li",
        "em",
        "strong",
        "a",
        "br",
        "hr",
    ];
    let parts: [&'static str; 30] = [
        "*",
        "**",
        "_",
        "`",
        "```\n",
        "# ",
        "> ",
        "- ",
        "1. ",
        "\n",
        "\n\n",
        "[a](",
        "https://x.y",
        "javascript:x",
        ")",
        "![",
        "]",
        "<b>",
        "</p>",
        "<!--",
        "-->",
        "<a href=x>",
        "&amp;",
        "\"",
        "'",
        "  ",
        "\\",
        "text",
        "|",
        "\t",
    ];
    check(600, &vec(select(parts.to_vec()), 0..40), |parts| {
        let text = parts.concat();
        let made = html(&text);
        let mut open: Vec<&str> = Vec::new();
        for tag in made.split('<').skip(1).map(|rest| rest.split('>').next().unwrap_or("")) {
            let name = tag.trim_start_matches('/').split(' ').next().unwrap_or("");
            prop_assert!(TAGS.contains(&name), "{:?}: {}", text, made);
            match tag.strip_prefix('/') {
                Some(name) => prop_assert_eq!(open.pop(), Some(name), "{:?}: {}", text, made),
                None if ["br", "hr"].contains(&name) => {}
                None => open.push(name),
            }
        }
        prop_assert!(open.is_empty(), "{:?}: {}", text, made);
        prop_assert!(!made.to_lowercase().contains("href=\"javascript"), "{:?}: {}", text, made);
        _ = plain(&text);
        Ok(())
    });
}
