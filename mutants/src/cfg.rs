//! Evaluates `#[cfg]` for the only build of a run: Linux, all features, without `test`.

use syn::{Attribute, Expr, Lit, Meta, Token, punctuated::Punctuated};

/// Whether the build contains an item with these attributes.
pub fn is_compiled(attributes: &[Attribute]) -> bool {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("cfg"))
        .all(|attribute| attribute.parse_args::<Meta>().is_ok_and(|meta| holds(&meta)))
}

fn holds(meta: &Meta) -> bool {
    match meta {
        Meta::Path(path) => path.is_ident("unix") || path.is_ident("debug_assertions"),
        Meta::NameValue(pair) => {
            pair.path.is_ident("feature")
                || matches!(&pair.value, Expr::Lit(value)
                    if matches!(&value.lit, Lit::Str(text) if text.value() == "linux"))
        }
        Meta::List(list) => {
            let parser = Punctuated::<Meta, Token![,]>::parse_terminated;
            let Ok(inner) = list.parse_args_with(parser) else { return false };
            match list.path.get_ident().map(ToString::to_string).as_deref() {
                Some("all") => inner.iter().all(holds),
                Some("any") => inner.iter().any(holds),
                Some("not") => !inner.iter().any(holds),
                _ => false,
            }
        }
    }
}
