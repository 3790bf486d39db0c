//! Expressions that replace the body of a function, chosen by its return type.

use quote::ToTokens;
use syn::{GenericArgument, PathArguments, ReturnType, Signature, Type};

/// The expressions to return, without those that do not compile: nobody knows them before the build.
pub fn of(signature: &Signature) -> Vec<String> {
    let takes_self = signature.receiver().is_some_and(|receiver| receiver.reference.is_none());
    match &signature.output {
        ReturnType::Default => vec![String::new()],
        ReturnType::Type(_, ty) => of_type(ty, takes_self),
    }
}

fn of_type(ty: &Type, takes_self: bool) -> Vec<String> {
    let default = || vec!["Default::default()".to_owned()];
    match ty {
        Type::Path(path) => {
            let Some(last) = path.path.segments.last() else { return default() };
            let inner = || match argument(&last.arguments) {
                Some(ty) => of_type(ty, takes_self),
                None => default(),
            };
            let wrap =
                |open: &str| inner().iter().map(|value| format!("{open}({value})")).collect();
            let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
            match last.ident.to_string().as_str() {
                // A setter that is ignored.
                "Self" if takes_self => texts(&["self"]),
                "bool" => texts(&["true", "false"]),
                "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => texts(&["0", "1"]),
                "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => texts(&["0", "1", "-1"]),
                "f32" | "f64" => texts(&["0.0", "1.0", "-1.0"]),
                "String" => texts(&["String::new()", "String::from(\"xyzzy\")"]),
                "Cow" => texts(&["\"\".into()", "\"xyzzy\".into()"]),
                "Instant" => texts(&["Instant::now()"]),
                "HeaderValue" => texts(&["HeaderValue::from_static(\"xyzzy\")"]),
                "Option" => {
                    let some: Vec<String> = wrap("Some");
                    [vec!["None".to_owned()], some].concat()
                }
                "Result" => wrap("Ok"),
                "Poll" => wrap("::std::task::Poll::Ready"),
                "Box" | "Arc" | "Rc" | "Mutex" => wrap(&format!("{}::new", last.ident)),
                "Vec" => {
                    let one: Vec<String> =
                        inner().iter().map(|value| format!("vec![{value}]")).collect();
                    [vec!["vec![]".to_owned()], one].concat()
                }
                _ => default(),
            }
        }
        Type::Reference(reference) => match &*reference.elem {
            Type::Path(path) if path.path.is_ident("str") => {
                vec!["\"\"".into(), "\"xyzzy\"".into()]
            }
            Type::Slice(_) => vec!["&[]".into(), "Default::default()".into()],
            inner => of_type(inner, false)
                .iter()
                .map(|value| format!("Box::leak(Box::new({value}))"))
                .collect(),
        },
        Type::Tuple(tuple) if tuple.elems.is_empty() => vec!["()".into()],
        Type::Tuple(tuple) => {
            let elements: Vec<_> = tuple.elems.iter().map(|ty| of_type(ty, takes_self)).collect();
            let most = elements.iter().map(Vec::len).max().unwrap_or(0);
            // Each value of each element once, and not each combination.
            (0..most)
                .filter(|_| elements.iter().all(|values| !values.is_empty()))
                .map(|n| {
                    let row: Vec<_> = elements.iter().map(|v| v[n % v.len()].as_str()).collect();
                    format!("({},)", row.join(", "))
                })
                .collect()
        }
        Type::Paren(inner) => of_type(&inner.elem, takes_self),
        Type::Array(_) => default(),
        // `impl Trait`, `dyn Trait`, `!`, functions.
        _ => Vec::new(),
    }
}

fn argument(arguments: &PathArguments) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// The name of a type without its path and arguments.
pub fn short_name(ty: &Type) -> String {
    match ty {
        Type::Path(path) => match path.path.segments.last() {
            Some(last) => last.ident.to_string(),
            None => String::new(),
        },
        Type::Reference(reference) => format!("&{}", short_name(&reference.elem)),
        other => other.to_token_stream().to_string(),
    }
}
