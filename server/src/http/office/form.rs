//! What is wrong with a form that was sent: shown on top of it, with a link to each field, and at the fields.
//! The fields themselves are macros in `templates/office/field.html`.

/// What is wrong with a form. Of each field the first that was found is shown.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Faults {
    whole: Vec<String>,
    marked: Vec<(String, String)>,
}

impl Faults {
    /// Nothing is wrong: the form has not been sent yet.
    pub fn none() -> Faults {
        Faults::default()
    }

    /// Something is wrong with the whole of it.
    pub fn of_all(text: impl Into<String>) -> Faults {
        let mut faults = Faults::none();
        faults.add_whole(text);
        faults
    }

    /// Something is wrong with this field. The text says what, and what to do.
    pub fn add(&mut self, field: impl Into<String>, text: impl Into<String>) {
        let field = field.into();
        if self.of(&field).is_none() {
            self.marked.push((field, text.into()));
        }
    }

    /// Something is wrong with the whole of it as well.
    pub fn add_whole(&mut self, text: impl Into<String>) {
        self.whole.push(text.into());
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.marked.is_empty()
    }

    /// What is wrong with this field.
    pub fn of(&self, field: &str) -> Option<&str> {
        self.marked.iter().find(|(id, _)| id == field).map(|(_, text)| text.as_str())
    }

    /// What is wrong with the whole.
    pub fn whole(&self) -> &[String] {
        &self.whole
    }

    /// The fields that are wrong, and how, in the order in which they were found.
    pub fn marked(&self) -> &[(String, String)] {
        &self.marked
    }

    /// Whether fields are wrong.
    pub fn has_marked(&self) -> bool {
        !self.marked.is_empty()
    }

    /// The heading of the summary.
    pub fn title(&self) -> &'static str {
        match (self.marked.is_empty(), self.marked.len()) {
            (true, _) => "This did not work",
            (false, 1) => "Please check the marked field",
            (false, _) => "Please check the marked fields",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use askama::Template;

    #[derive(Template)]
    #[template(
        source = "{% import \"office/field.html\" as field %}\
                  {% call field::summary(faults) %}{% endcall %}\
                  {% call field::text(faults, \"name\", \"Name\", value, \"As on tickets.\") %} required{% endcall %}\
                  {% call field::input(faults, \"day\", \"date\", \"Day\", value, \"\") %}{% endcall %}\
                  {% call field::area(faults, \"about\", \"About\", value, \"\") %} rows=\"4\"{% endcall %}\
                  {% call field::select(faults, \"zone\", \"Zone\", \"\") %}<option>UTC</option>{% endcall %}\
                  {% call field::tick(faults, \"terms\", \"Terms\", true, \"\") %}{% endcall %}",
        ext = "html"
    )]
    struct Form<'a> {
        faults: Faults,
        value: &'a str,
    }

    #[test]
    fn each_field_is_tied_to_its_label_its_hint_and_its_error() {
        let mut faults = Faults::none();
        let right = Form { faults: faults.clone(), value: "a <b>" }.render().expect("it renders");
        assert!(!right.contains("faults") && !right.contains("aria-invalid"), "{right}");
        let name = "<input type=\"text\" id=\"name\" name=\"name\" value=\"a &#60;b&#62;\" \
                    aria-describedby=\"h-name\" required>";
        assert!(right.contains(name), "{right}");
        assert!(right.contains("<label for=\"name\">Name</label>"), "{right}");
        assert!(
            right.contains(
                "<textarea id=\"about\" name=\"about\" rows=\"4\">a &#60;b&#62;</textarea>"
            )
        );
        assert!(
            right.contains("<select id=\"zone\" name=\"zone\"><option>UTC</option></select>"),
            "{right}"
        );
        assert!(right.contains("value=\"yes\" checked>"), "{right}");

        faults.add("name", "Give the event a name.");
        faults.add("name", "a second fault of the same field");
        faults.add_whole("Somebody else has changed it.");
        let wrong = Form { faults, value: "" }.render().expect("it renders");
        for part in [
            "<div class=\"notice bad\" id=\"faults\" role=\"alert\" tabindex=\"-1\">",
            "Please check the marked field<",
            "<p>Somebody else has changed it.</p>",
            "<li><a href=\"#name\">Give the event a name.</a></li>",
            "<div class=\"field wrong\">",
            "<span class=\"error\" id=\"e-name\">Give the event a name.</span>",
            "aria-describedby=\"e-name h-name\" aria-invalid=\"true\" required>",
        ] {
            assert!(wrong.contains(part), "{part} in {wrong}");
        }
        assert!(!wrong.contains("a second fault"), "{wrong}");
        assert_eq!(wrong.matches("aria-invalid").count(), 1);
    }
}
