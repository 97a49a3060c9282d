//! Reads the forms of a page, as a script does that posts what it was given.

use crate::harness::*;

/// A form as it stands in a page.
#[derive(Debug)]
pub struct PageForm {
    pub action: String,
    /// Its fields; buttons are not among them.
    pub fields: Vec<(String, String)>,
}

impl PageForm {
    /// The form of a page that leads to this path, with any query.
    pub fn of(page: &str, action: &str) -> Option<PageForm> {
        let forms = page.split("<form").skip(1).map(|rest| rest.split("</form>").next().unwrap());
        let mut forms = forms.map(PageForm::read);
        forms.find(|form| form.action.split('?').next() == Some(action))
    }

    fn read(text: &str) -> PageForm {
        let mut tags = text.split('<').map(|tag| tag.split('>').next().unwrap());
        let action = attribute(tags.next().unwrap(), "action").unwrap_or_default();
        let inputs = tags.filter(|tag| tag.starts_with("input"));
        let field =
            |tag| Some((attribute(tag, "name")?, attribute(tag, "value").unwrap_or_default()));
        PageForm { action, fields: inputs.filter_map(field).collect() }
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Everything that it carries, and these fields besides.
    pub fn with(&self, more: &[(&str, &str)]) -> Request {
        let own = self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let all: Vec<(&str, &str)> = own.chain(more.iter().copied()).collect();
        Request::form(&self.action, &all)
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    let value = rest.split('"').next()?;
    let entities =
        [("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'"), ("&#38;", "&")];
    Some(entities.iter().fold(value.to_owned(), |text, (from, to)| text.replace(from, to)))
}
