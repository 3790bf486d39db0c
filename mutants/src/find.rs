//! Finds the places of `src/` that have mutants.

use std::{
    collections::HashMap,
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

use proc_macro2::Span;
use quote::ToTokens;
use syn::{
    Arm, Attribute, BinOp, Block, Expr, File, ImplItem, Item, Signature, Stmt, TraitItem, UnOp,
    spanned::Spanned,
    visit::{self, Visit},
};

use crate::{cfg::is_compiled, values};

/// The number of a mutant in the build. 0 is the code without a mutant.
pub type Id = u32;

pub struct Source {
    /// Relative to the root of the crate.
    pub path: String,
    pub text: String,
    pub sites: Vec<Site>,
}

/// A place in a file, with its alternatives.
pub struct Site {
    pub range: Range<usize>,
    pub place: Place,
    pub alternatives: Vec<(Id, String)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// An expression.
    Expression,
    /// The body of a function, which returns early.
    Body,
    /// A pattern of a match without a guard. It never matches.
    Pattern,
}

#[derive(Default)]
pub struct Found {
    pub sources: Vec<Source>,
    /// The name of each mutant, by its number.
    pub names: Vec<String>,
}

/// Finds all mutants of the `folders` of `root/src`.
pub fn find(root: &Path, folders: &[&str]) -> Result<Found, String> {
    // No mutant has the number 0.
    let mut found = Found { names: vec![String::new()], ..Found::default() };
    let mut files = Vec::new();
    modules(&root.join("src/lib.rs"), &root.join("src"), &mut files)?;
    for (path, text, file) in files {
        let path = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        let inside = |folder: &&str| path.starts_with(&format!("src/{folder}/"));
        if folders.iter().any(inside) {
            source(&mut found, path, text, &file);
        }
    }
    Ok(found)
}

/// All files of the build, by their `mod` declarations.
fn modules(
    path: &Path,
    children: &Path,
    files: &mut Vec<(PathBuf, String, File)>,
) -> Result<(), String> {
    let fail = |problem: &dyn std::fmt::Display| format!("{}: {problem}", path.display());
    let text = fs::read_to_string(path).map_err(|error| fail(&error))?;
    let file = syn::parse_file(&text).map_err(|error| fail(&error))?;
    for item in &file.items {
        let Item::Mod(module) = item else { continue };
        if module.content.is_some() || !is_compiled(&module.attrs) {
            continue;
        }
        let folder = children.join(module.ident.to_string());
        let flat = folder.with_extension("rs");
        let path = if flat.exists() { flat } else { folder.join("mod.rs") };
        modules(&path, &folder, files)?;
    }
    files.push((path.to_owned(), text, file));
    Ok(())
}

fn source(found: &mut Found, path: String, text: String, file: &File) {
    let mut finder = Finder {
        path: &path,
        text: &text,
        scope: Vec::new(),
        sites: HashMap::new(),
        names: &mut found.names,
        counts: HashMap::new(),
    };
    finder.visit_file(file);
    let sites = finder.sites.into_iter();
    let mut sites: Vec<_> = sites
        .map(|((start, end, place), alternatives)| Site { range: start..end, place, alternatives })
        .collect();
    sites.sort_by_key(|site| (site.range.start, std::cmp::Reverse(site.range.end)));
    found.sources.push(Source { path, text, sites });
}

struct Finder<'a> {
    path: &'a str,
    text: &'a str,
    scope: Vec<String>,
    sites: HashMap<(usize, usize, Place), Vec<(Id, String)>>,
    names: &'a mut Vec<String>,
    /// How many mutants have the same name otherwise.
    counts: HashMap<String, usize>,
}

impl Finder<'_> {
    fn add(&mut self, range: Range<usize>, place: Place, text: String, change: &str) {
        let mut name = format!("{}: {}: {change}", self.path, self.scope.join("::"));
        let count = self.counts.entry(name.clone()).or_default();
        *count += 1;
        if *count > 1 {
            name = format!("{name} ({count})");
        }
        let id = self.names.len() as Id;
        self.names.push(name);
        let site = self.sites.entry((range.start, range.end, place)).or_default();
        site.push((id, text));
    }

    fn text_of(&self, node: &impl Spanned) -> String {
        self.text[node.span().byte_range()].to_owned()
    }

    /// The code in a name: on one line, and not too long.
    fn quoted(&self, span: Span) -> String {
        let words: Vec<_> = self.text[span.byte_range()].split_whitespace().collect();
        let line = words.join(" ");
        match line.char_indices().nth(90) {
            Some((end, _)) => format!("`{}…`", &line[..end]),
            None => format!("`{line}`"),
        }
    }

    fn function(&mut self, signature: &Signature, body: &Block) {
        // The switch is not a const fn.
        if signature.constness.is_some() {
            return;
        }
        self.scope.push(signature.ident.to_string());
        let whole = body.to_token_stream().to_string();
        for value in values::of(signature) {
            // `Default::default()` and `Self::default()` are one value.
            let whole = whole.replace("Self :: default", "Default :: default");
            let same = format!("{{ {value} }}").parse::<proc_macro2::TokenStream>();
            let is_same = same.is_ok_and(|same| same.to_string() == whole);
            // `Default::default` would call itself.
            let is_default = signature.ident == "default" && value.contains("default()");
            if !is_same && !is_default {
                let shown = if value.is_empty() { "()" } else { &value };
                let change = format!("return {shown}");
                self.add(body.span().byte_range(), Place::Body, value, &change);
            }
        }
        visit::visit_block(self, body);
        self.scope.pop();
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        match item {
            Item::Fn(function) if is_compiled(&function.attrs) => {
                self.function(&function.sig, &function.block);
            }
            Item::Impl(block) if is_compiled(&block.attrs) => {
                let ty = values::short_name(&block.self_ty);
                let name = match &block.trait_ {
                    Some((_, path, _)) => {
                        let name = path.segments.last().map(|last| last.ident.to_string());
                        format!("<{ty} as {}>", name.unwrap_or_default())
                    }
                    None => ty,
                };
                self.scope.push(name);
                visit::visit_item_impl(self, block);
                self.scope.pop();
            }
            Item::Trait(definition) if is_compiled(&definition.attrs) => {
                self.scope.push(definition.ident.to_string());
                visit::visit_item_trait(self, definition);
                self.scope.pop();
            }
            Item::Mod(module) if is_compiled(&module.attrs) && module.content.is_some() => {
                self.scope.push(module.ident.to_string());
                visit::visit_item_mod(self, module);
                self.scope.pop();
            }
            // Constants can't have a switch, and macros have no syntax tree.
            _ => {}
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        if let ImplItem::Fn(function) = item
            && is_compiled(&function.attrs)
        {
            self.function(&function.sig, &function.block);
        }
    }

    fn visit_trait_item(&mut self, item: &'ast TraitItem) {
        if let TraitItem::Fn(function) = item
            && let Some(body) = &function.default
            && is_compiled(&function.attrs)
        {
            self.function(&function.sig, body);
        }
    }

    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        let attributes = match statement {
            Stmt::Local(local) => &local.attrs[..],
            Stmt::Expr(expression, _) => attributes(expression),
            _ => &[],
        };
        if is_compiled(attributes) {
            visit::visit_stmt(self, statement);
        }
    }

    fn visit_field_value(&mut self, field: &'ast syn::FieldValue) {
        if is_compiled(&field.attrs) {
            visit::visit_field_value(self, field);
        }
    }

    fn visit_expr_match(&mut self, node: &'ast syn::ExprMatch) {
        let is_wild = |arm: &Arm| matches!(arm.pat, syn::Pat::Wild(_)) && arm.guard.is_none();
        let has_wild = node.arms.iter().any(|arm| is_wild(arm) && is_compiled(&arm.attrs));
        for arm in node.arms.iter().filter(|arm| is_compiled(&arm.attrs)) {
            if let Some((_, guard)) = &arm.guard {
                for value in ["true", "false"] {
                    let change = format!("guard {} is {value}", self.quoted(guard.span()));
                    self.add(guard.span().byte_range(), Place::Expression, value.into(), &change);
                }
            } else if has_wild && !is_wild(arm) {
                let change = format!("delete arm {}", self.quoted(arm.pat.span()));
                self.add(arm.pat.span().byte_range(), Place::Pattern, String::new(), &change);
            }
        }
        visit::visit_expr_match(self, node);
    }

    fn visit_arm(&mut self, arm: &'ast Arm) {
        if is_compiled(&arm.attrs) {
            visit::visit_arm(self, arm);
        }
    }

    fn visit_expr_binary(&mut self, node: &'ast syn::ExprBinary) {
        if !has_let(&node.left) && !has_let(&node.right) {
            let operator = self.text_of(&node.op);
            for other in operators(&node.op) {
                let text = format!(
                    "({}) {other} ({})",
                    self.text_of(&node.left),
                    self.text_of(&node.right)
                );
                let change = format!("{operator} to {other} in {}", self.quoted(node.span()));
                self.add(node.span().byte_range(), Place::Expression, text, &change);
            }
        }
        visit::visit_expr_binary(self, node);
    }

    fn visit_expr_unary(&mut self, node: &'ast syn::ExprUnary) {
        if let UnOp::Not(_) | UnOp::Neg(_) = node.op {
            let change = format!("no {} in {}", self.text_of(&node.op), self.quoted(node.span()));
            let text = self.text_of(&node.expr);
            self.add(node.span().byte_range(), Place::Expression, text, &change);
        }
        visit::visit_expr_unary(self, node);
    }

    // Constant expressions.
    fn visit_expr_const(&mut self, _: &'ast syn::ExprConst) {}
    fn visit_expr_repeat(&mut self, node: &'ast syn::ExprRepeat) {
        self.visit_expr(&node.expr);
    }
    fn visit_type(&mut self, _: &'ast syn::Type) {}
    fn visit_pat(&mut self, _: &'ast syn::Pat) {}
    fn visit_generic_argument(&mut self, _: &'ast syn::GenericArgument) {}
}

fn attributes(expression: &Expr) -> &[Attribute] {
    match expression {
        Expr::Assign(node) => &node.attrs,
        Expr::Block(node) => &node.attrs,
        Expr::Call(node) => &node.attrs,
        Expr::If(node) => &node.attrs,
        Expr::Match(node) => &node.attrs,
        Expr::MethodCall(node) => &node.attrs,
        Expr::Return(node) => &node.attrs,
        Expr::Struct(node) => &node.attrs,
        _ => &[],
    }
}

/// Whether it is a part of a chain with `let`, which is not an expression by itself.
fn has_let(expression: &Expr) -> bool {
    match expression {
        Expr::Let(_) => true,
        Expr::Binary(node) => has_let(&node.left) || has_let(&node.right),
        _ => false,
    }
}

fn operators(operator: &BinOp) -> &'static [&'static str] {
    match operator {
        BinOp::Eq(_) => &["!="],
        BinOp::Ne(_) => &["=="],
        BinOp::And(_) => &["||"],
        BinOp::Or(_) => &["&&"],
        BinOp::Lt(_) => &["<=", "==", ">"],
        BinOp::Gt(_) => &[">=", "==", "<"],
        BinOp::Le(_) => &["<", ">"],
        BinOp::Ge(_) => &[">", "<"],
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
        BinOp::BitOrAssign(_) => &["&=", "^="],
        BinOp::BitAndAssign(_) => &["|=", "^="],
        _ => &[],
    }
}
