//! Finds the mutants of a source file.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Range;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{BinOp, Expr, Pat, ReturnType, Stmt, Type, UnOp};

/// One deliberate break.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Mutant {
    /// What switches it on. Differs from build to build.
    pub number: usize,
    /// Names it for as long as its function has the same text: file, function, what becomes what.
    pub key: String,
    /// The file, from the root of the repository.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The bytes of the file that it replaces. None are replaced if something is put before the body.
    pub range: Range<usize>,
    /// What stands there instead.
    pub new: String,
}

/// How the text around a place is changed, so that a mutant can be switched on at run time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// An expression has others beside it.
    Expression,
    /// A statement can be left out.
    Statement,
    /// The function returns before its body.
    Body,
    /// The arm of a match, which has no guard, matches nothing.
    Arm,
    /// The arm of a match, which has this guard, matches nothing.
    Guard,
}

/// A place and its mutants. A place inside of another one comes after it.
#[derive(Clone, Debug)]
pub struct Place {
    /// The bytes of the file.
    pub range: Range<usize>,
    /// How it is changed.
    pub shape: Shape,
    /// What may stand there instead; empty text where the shape says it all.
    pub mutants: Vec<Mutant>,
}

/// Finds all mutants of a file. Numbers begin at `first`.
pub fn find(file: &str, text: &str, first: usize) -> syn::Result<Vec<Place>> {
    let tree = syn::parse_file(text)?;
    let mut finder = Finder { file, text, next: first, ..Finder::default() };
    finder.visit_file(&tree);
    Ok(finder.places)
}

#[derive(Default)]
struct Finder<'a> {
    file: &'a str,
    text: &'a str,
    next: usize,
    names: Vec<String>,
    seen: BTreeMap<String, usize>,
    places: Vec<Place>,
}

impl Finder<'_> {
    fn of(&self, node: &impl Spanned) -> &str {
        &self.text[node.span().byte_range()]
    }

    fn place(&mut self, range: Range<usize>, shape: Shape, new: Vec<String>) {
        let old = short(&self.text[range.clone()]);
        let line = self.text[..range.start].matches('\n').count() + 1;
        let mut mutants = Vec::new();
        for new in new.into_iter().filter(|new| shape == Shape::Body || short(new) != old) {
            let told = match shape {
                Shape::Expression => format!("{old} => {}", short(&new)),
                Shape::Statement => format!("without {old}"),
                Shape::Body => format!("returns {}", short(&new)),
                Shape::Arm | Shape::Guard => format!("no arm {}", short(&new)),
            };
            let mut key = format!("{} {}: {told}", self.file, self.names.join("::"));
            let count = self.seen.entry(key.clone()).or_default();
            *count += 1;
            if *count > 1 {
                key += &format!(" (#{count})");
            }
            let (number, file) = (self.next, self.file.to_owned());
            self.next += 1;
            mutants.push(Mutant { number, key, file, line, range: range.clone(), new });
        }
        if !mutants.is_empty() {
            self.places.push(Place { range, shape, mutants });
        }
    }

    /// The expression `node` may be any of `new` instead.
    fn expression(&mut self, node: &impl Spanned, new: Vec<String>) {
        self.place(node.span().byte_range(), Shape::Expression, new);
    }

    fn function(&mut self, signature: &syn::Signature, body: &syn::Block) {
        if signature.constness.is_some() {
            return;
        }
        self.names.push(signature.ident.to_string());
        let values = match &signature.output {
            ReturnType::Default => vec!["()".to_owned()],
            ReturnType::Type(_, of) => values(of),
        };
        let inner = body.brace_token.span.open().byte_range().end;
        let whole = short(self.of(body).trim_matches(['{', '}']));
        let values = values.into_iter().filter(|v| *v != whole && !body.stmts.is_empty());
        self.place(inner..inner, Shape::Body, values.collect());
        self.visit_block(body);
        self.names.pop();
    }

    fn condition(&mut self, condition: &Expr, values: &[&str]) {
        let is_ours = self.of(condition).trim_start_matches('!').starts_with("on(Mutant::");
        if !has_let(condition) && !is_ours {
            self.expression(condition, values.iter().map(|v| (*v).to_owned()).collect());
        }
    }

    fn arms(&mut self, arms: &[syn::Arm]) {
        let takes_all = |a: &syn::Arm| {
            let any = match &a.pat {
                Pat::Wild(_) => true,
                Pat::Ident(i) => {
                    i.subpat.is_none() && i.ident.to_string().starts_with(char::is_lowercase)
                }
                _ => false,
            };
            any && a.guard.is_none()
        };
        let has_rest = arms.iter().any(takes_all);
        for arm in arms {
            let pattern = self.of(&arm.pat).to_owned();
            let goes = has_rest && !takes_all(arm);
            match &arm.guard {
                Some((_, guard)) if !has_let(guard) && !self.of(guard).starts_with("on(Mutant") => {
                    if goes {
                        self.place(guard.span().byte_range(), Shape::Guard, vec![pattern]);
                    }
                    self.condition(guard, &["true", "false"]);
                }
                Some(_) => {}
                None if goes => {
                    let end = arm.pat.span().byte_range().end;
                    self.place(end..end, Shape::Arm, vec![pattern]);
                }
                None => {}
            }
        }
    }

    fn literal(&mut self, literal: &syn::LitInt) {
        if let Ok(value) = literal.base10_parse::<u128>()
            && let Some(more) = value.checked_add(1)
        {
            self.expression(literal, vec![format!("{more}{}", literal.suffix())]);
        }
    }

    /// A structure that leaves a field to what it is based on.
    fn fields(&mut self, whole: &syn::ExprStruct) {
        if whole.rest.is_none() {
            return;
        }
        let (start, text) = (whole.span().byte_range().start, self.of(whole).to_owned());
        let without = |field: &syn::FieldValue| {
            let at = field.span().byte_range();
            let rest = text[at.end - start..].trim_start().trim_start_matches(',');
            format!("{}{rest}", &text[..at.start - start])
        };
        let new = whole.fields.iter().map(without).collect();
        self.expression(whole, new);
    }
}

impl<'a> Visit<'a> for Finder<'_> {
    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        if !is_test(&item.attrs) {
            self.function(&item.sig, &item.block);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        if !is_test(&item.attrs) {
            self.function(&item.sig, &item.block);
        }
    }

    fn visit_trait_item_fn(&mut self, item: &'a syn::TraitItemFn) {
        if let Some(body) = &item.default {
            self.function(&item.sig, body);
        }
    }

    fn visit_item_impl(&mut self, item: &'a syn::ItemImpl) {
        if is_test(&item.attrs) {
            return;
        }
        self.names.push(short(self.of(&item.self_ty)));
        visit::visit_item_impl(self, item);
        self.names.pop();
    }

    fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
        if !is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_stmt(&mut self, statement: &'a Stmt) {
        let goes = match statement {
            Stmt::Expr(Expr::Assign(_), Some(_)) => true,
            Stmt::Expr(e, Some(_)) => is_call(e),
            Stmt::Local(l) => {
                matches!(l.pat, Pat::Wild(_)) && l.init.as_ref().is_some_and(|i| is_call(&i.expr))
            }
            _ => false,
        };
        if goes {
            self.place(statement.span().byte_range(), Shape::Statement, vec![String::new()]);
        }
        visit::visit_stmt(self, statement);
    }

    fn visit_expr(&mut self, node: &'a Expr) {
        match node {
            Expr::Binary(b) if !has_let(node) => {
                let (start, whole) = (node.span().byte_range().start, self.of(node).to_owned());
                let at = b.op.span().byte_range();
                let (left, right) = (&whole[..at.start - start], &whole[at.end - start..]);
                let new = others(&b.op).iter().map(|op| format!("{left}{op}{right}")).collect();
                self.expression(node, new);
            }
            Expr::Unary(u) if !matches!(u.op, UnOp::Deref(_)) => {
                let inner = self.of(&u.expr).to_owned();
                if !inner.starts_with("on(Mutant::") {
                    self.expression(node, vec![inner]);
                }
            }
            Expr::If(e) if self.of(&e.cond).starts_with("on(Mutant::") => {
                // A deliberate break of the project's own, which is not switched on.
                e.else_branch.iter().for_each(|(_, other)| self.visit_expr(other));
                return;
            }
            Expr::If(e) => self.condition(&e.cond, &["true", "false"]),
            Expr::While(e) => self.condition(&e.cond, &["false"]),
            Expr::Match(e) => self.arms(&e.arms),
            Expr::MethodCall(call) => {
                if let Some(name) = other_method(&call.method.to_string()) {
                    let (start, whole) = (node.span().byte_range().start, self.of(node));
                    let at = call.method.span().byte_range();
                    let (before, after) = (&whole[..at.start - start], &whole[at.end - start..]);
                    let new = format!("{before}{name}{after}");
                    self.expression(node, vec![new]);
                }
            }
            Expr::Lit(syn::ExprLit { lit: syn::Lit::Int(literal), .. }) => self.literal(literal),
            Expr::Struct(e) => self.fields(e),
            Expr::Macro(m) if m.mac.path.is_ident("matches") => {
                let new = format!("!{}", self.of(node));
                self.expression(node, vec![new]);
            }
            _ => {}
        }
        visit::visit_expr(self, node);
    }

    fn visit_arm(&mut self, arm: &'a syn::Arm) {
        let ours = |(_, g): &(_, Box<Expr>)| self.of(g).starts_with("on(Mutant::");
        if !arm.guard.as_ref().is_some_and(ours) {
            visit::visit_arm(self, arm);
        }
    }

    fn visit_expr_repeat(&mut self, node: &'a syn::ExprRepeat) {
        self.visit_expr(&node.expr);
    }

    // What is not run, or is worked out when the program is compiled.
    fn visit_attribute(&mut self, _: &'a syn::Attribute) {}
    fn visit_type(&mut self, _: &'a Type) {}
    fn visit_pat(&mut self, _: &'a Pat) {}
    fn visit_path(&mut self, _: &'a syn::Path) {}
    fn visit_generics(&mut self, _: &'a syn::Generics) {}
    fn visit_angle_bracketed_generic_arguments(
        &mut self,
        _: &'a syn::AngleBracketedGenericArguments,
    ) {
    }
    fn visit_macro(&mut self, _: &'a syn::Macro) {}
    fn visit_item_const(&mut self, _: &'a syn::ItemConst) {}
    fn visit_item_static(&mut self, _: &'a syn::ItemStatic) {}
    fn visit_item_enum(&mut self, _: &'a syn::ItemEnum) {}
    fn visit_impl_item_const(&mut self, _: &'a syn::ImplItemConst) {}
    fn visit_trait_item_const(&mut self, _: &'a syn::TraitItemConst) {}
    fn visit_expr_const(&mut self, _: &'a syn::ExprConst) {}
}

/// In one line.
fn short(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|a| match &a.meta {
        syn::Meta::List(list) if list.path.is_ident("cfg") => {
            list.tokens.to_string().contains("test")
        }
        meta => meta.path().segments.last().is_some_and(|s| s.ident == "test"),
    })
}

fn is_call(e: &Expr) -> bool {
    match e {
        Expr::Call(_) | Expr::MethodCall(_) => true,
        Expr::Try(e) => is_call(&e.expr),
        Expr::Await(e) => is_call(&e.base),
        _ => false,
    }
}

/// Whether an expression is, or is a chain with, `let PATTERN = …`, which stands in conditions only.
fn has_let(e: &Expr) -> bool {
    match e {
        Expr::Let(_) => true,
        Expr::Binary(b) if matches!(b.op, BinOp::And(_)) => has_let(&b.left) || has_let(&b.right),
        _ => false,
    }
}

fn others(op: &BinOp) -> &'static [&'static str] {
    match op {
        BinOp::Eq(_) => &["!="],
        BinOp::Ne(_) => &["=="],
        BinOp::Lt(_) => &["<=", ">"],
        BinOp::Le(_) => &["<", ">"],
        BinOp::Gt(_) => &[">=", "<"],
        BinOp::Ge(_) => &[">", "<"],
        BinOp::And(_) => &["||"],
        BinOp::Or(_) => &["&&"],
        BinOp::Add(_) => &["-", "*"],
        BinOp::Sub(_) => &["+", "/"],
        BinOp::Mul(_) => &["+", "/"],
        BinOp::Div(_) => &["*", "%"],
        BinOp::Rem(_) => &["/", "+"],
        BinOp::BitAnd(_) => &["|", "^"],
        BinOp::BitOr(_) => &["&", "^"],
        BinOp::BitXor(_) => &["&", "|"],
        BinOp::Shl(_) => &[">>"],
        BinOp::Shr(_) => &["<<"],
        BinOp::AddAssign(_) => &["-=", "*="],
        BinOp::SubAssign(_) => &["+=", "/="],
        BinOp::MulAssign(_) => &["+=", "/="],
        BinOp::DivAssign(_) => &["*=", "%="],
        BinOp::RemAssign(_) => &["/="],
        BinOp::BitAndAssign(_) => &["|="],
        BinOp::BitOrAssign(_) => &["&=", "^="],
        BinOp::BitXorAssign(_) => &["|="],
        BinOp::ShlAssign(_) => &[">>="],
        BinOp::ShrAssign(_) => &["<<="],
        _ => &[],
    }
}

/// A method that is easily taken for this one.
fn other_method(name: &str) -> Option<&'static str> {
    const PAIRS: [(&str, &str); 11] = [
        ("min", "max"),
        ("min_by_key", "max_by_key"),
        ("saturating_add", "saturating_sub"),
        ("checked_add", "checked_sub"),
        ("wrapping_add", "wrapping_sub"),
        ("is_some", "is_none"),
        ("is_ok", "is_err"),
        ("is_some_and", "is_none_or"),
        ("any", "all"),
        ("first", "last"),
        ("starts_with", "ends_with"),
    ];
    PAIRS.iter().find_map(|(a, b)| match name {
        _ if name == *a => Some(*b),
        _ if name == *b => Some(*a),
        _ => None,
    })
}

/// Some values of a type, as far as its name tells. Those that do not compile are dropped later.
fn values(of: &Type) -> Vec<String> {
    let default = || vec!["Default::default()".to_owned()];
    let all = |values: &[&str]| values.iter().map(|v| (*v).to_owned()).collect();
    let path = match of {
        Type::Path(path) => &path.path,
        Type::Reference(r) => {
            let is_text = matches!(&*r.elem, Type::Path(p) if p.path.is_ident("str"));
            return if is_text { all(&["\"\"", "\"xyzzy\""]) } else { Vec::new() };
        }
        Type::Tuple(t) => {
            let parts = t.elems.iter().map(|t| values(t).into_iter().next());
            let parts: Option<Vec<_>> = parts.collect();
            return parts.map(|parts| format!("({})", parts.join(", "))).into_iter().collect();
        }
        _ => return Vec::new(),
    };
    let Some(last) = path.segments.last() else { return Vec::new() };
    let inner = || match &last.arguments {
        syn::PathArguments::AngleBracketed(a) => match a.args.first() {
            Some(syn::GenericArgument::Type(of)) => values(of),
            _ => default(),
        },
        _ => default(),
    };
    let wrapped = |name: &str| inner().iter().map(|v| format!("{name}({v})")).collect::<Vec<_>>();
    match last.ident.to_string().as_str() {
        "bool" => all(&["true", "false"]),
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" | "i8" | "i16" | "i32" | "i64" | "i128"
        | "isize" | "TimeMs" => all(&["0", "1"]),
        "f32" | "f64" => all(&["0.0", "1.0"]),
        "String" => all(&["Default::default()", "\"xyzzy\".into()"]),
        "Option" => [vec!["None".to_owned()], wrapped("Some")].concat(),
        "Result" => wrapped("Ok"),
        "Vec" => {
            let one = inner().into_iter().next().map(|v| format!("[{v}].into()"));
            default().into_iter().chain(one).collect()
        }
        "Box" | "Arc" | "Rc" => wrapped(&format!("{}::new", last.ident)),
        _ => default(),
    }
}
