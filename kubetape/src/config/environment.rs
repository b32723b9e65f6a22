//! `KUBETAPE_<SECTION>__<KEY>`: environment variables that override keys of the file.

use anyhow::{Context, Result, bail};
use toml::{Table, Value};

use super::{
    raw::Environment,
    sample::{self, KeyKind},
};

/// Variables that do not stand for a key.
const OTHERS: [&str; 1] = ["KUBETAPE_CONFIG"];

/// Kubernetes sets such variables in every pod beside a service named `kubetape`.
const SERVICE_SUFFIXES: [&str; 3] = ["SERVICE_HOST", "SERVICE_PORT", "PORT"];

/// This process's variables that begin with `KUBETAPE_`.
pub fn of_process() -> Environment {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with("KUBETAPE_"))
        .collect()
}

/// Reads the variables. Returns the keys that they set, and the names of those that set none.
///
/// # Errors
/// A variable names no key, or its value is not of the key's kind; the error names the variable.
pub fn overrides(environment: &Environment) -> Result<(Vec<Override>, Vec<String>)> {
    let mut overrides = Vec::new();
    let mut unknown = Vec::new();
    for (variable, text) in environment {
        let name = variable.trim_start_matches("KUBETAPE_");
        if OTHERS.contains(&variable.as_str()) || SERVICE_SUFFIXES.iter().any(|suffix| name.starts_with(suffix)) {
            continue;
        }
        if !name.contains("__") {
            unknown.push(variable.clone());
            continue;
        }
        overrides.push(Override::new(variable, text)?);
    }
    Ok((overrides, unknown))
}

/// One variable that sets a key.
pub struct Override {
    /// The variable's name. Its value may be a secret and is not shown.
    pub variable: String,
    path: Vec<String>,
    value: Value,
}

impl Override {
    fn new(variable: &str, text: &str) -> Result<Self> {
        let path: Vec<String> =
            variable.trim_start_matches("KUBETAPE_").split("__").map(str::to_ascii_lowercase).collect();
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        let Some(kind) = sample::kind(&names) else {
            bail!(
                "environment variable {variable}: there is no key {}; \
                 `kubetape config sample` shows the keys, and KUBETAPE_STORAGE__PATH is `path` in `[storage]`",
                path.join(".")
            );
        };
        let value = value(kind, text).with_context(|| format!("environment variable {variable}"))?;
        Ok(Self { variable: variable.to_owned(), path, value })
    }

    /// Sets the key in the file's table.
    pub fn apply(&self, file: &mut Table) -> Result<()> {
        self.set(file).with_context(|| format!("environment variable {}", self.variable))
    }

    fn set(&self, file: &mut Table) -> Result<()> {
        let mut at = file;
        let mut path = self.path.iter().map(String::as_str).peekable();
        while let Some(name) = path.next() {
            if path.peek().is_none() {
                at.insert(name.to_owned(), self.value.clone());
                return Ok(());
            }
            let index = path.next_if(|next| next.bytes().all(|b| b.is_ascii_digit()));
            at = match index {
                Some(index) => nth(at, name, index.parse()?)?,
                None => table(at.entry(name).or_insert_with(|| Value::Table(Table::new())), name)?,
            };
        }
        Ok(())
    }
}

fn value(kind: KeyKind, text: &str) -> Result<Value> {
    Ok(match kind {
        KeyKind::Text => Value::String(text.to_owned()),
        KeyKind::Switch => Value::Boolean(text.parse().context("write `true` or `false`")?),
        KeyKind::Number => Value::Integer(text.parse().context("write a number")?),
        KeyKind::List => {
            Value::Array(text.split(',').map(str::trim).filter(|s| !s.is_empty()).map(Value::from).collect())
        }
    })
}

fn nth<'a>(at: &'a mut Table, name: &str, index: usize) -> Result<&'a mut Table> {
    let Value::Array(tables) = at.entry(name).or_insert_with(|| Value::Array(Vec::new())) else {
        bail!("`{name}` in the file is not a list of tables");
    };
    if index == tables.len() {
        tables.push(Value::Table(Table::new()));
    }
    let count = tables.len();
    match tables.get_mut(index) {
        Some(entry) => table(entry, name),
        None => bail!("there are {count} [[{name}]]; the next one has number {count}"),
    }
}

fn table<'a>(value: &'a mut Value, name: &str) -> Result<&'a mut Table> {
    value.as_table_mut().with_context(|| format!("`{name}` in the file is not a table"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(file: &str, variables: &[(&str, &str)]) -> Result<Table> {
        let environment = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut table: Table = file.parse()?;
        for each in overrides(&environment)?.0 {
            each.apply(&mut table)?;
        }
        Ok(table)
    }

    #[test]
    fn a_variable_sets_a_key_whatever_the_file_says() {
        let table = with(
            "[gateway]\nname = \"a\"\n[[clusters]]\nname = \"one\"",
            &[
                ("KUBETAPE_GATEWAY__NAME", "b"),
                ("KUBETAPE_GATEWAY__NAMES", "x, y"),
                ("KUBETAPE_RECORDER__STRICT", "false"),
                ("KUBETAPE_LIMITS__SESSIONS", "70"),
                ("KUBETAPE_STORAGE__S3__SECRET_KEY", "123"),
                ("KUBETAPE_CLUSTERS__0__NAME", "uno"),
                ("KUBETAPE_CLUSTERS__1__NAME", "two"),
            ],
        );
        let expected = "
            gateway = { name = \"b\", names = [\"x\", \"y\"] }
            recorder = { strict = false }
            limits = { sessions = 70 }
            storage = { s3 = { secret_key = \"123\" } }
            clusters = [{ name = \"uno\" }, { name = \"two\" }]";
        assert_eq!(table.unwrap(), expected.parse::<Table>().unwrap());
    }

    #[test]
    fn what_a_variable_gets_wrong_is_said_with_its_name() {
        for (variable, value, says) in [
            ("KUBETAPE_STORAGE__PTAH", "/x", "there is no key storage.ptah"),
            ("KUBETAPE_RECORDER__STRICT", "yes", "write `true` or `false`"),
            ("KUBETAPE_LIMITS__SESSIONS", "many", "write a number"),
            ("KUBETAPE_CLUSTERS__3__NAME", "x", "there are 0 [[clusters]]"),
        ] {
            let error = format!("{:#}", with("", &[(variable, value)]).unwrap_err());
            assert!(error.contains(variable) && error.contains(says), "{error}");
        }
    }

    #[test]
    fn services_of_kubernetes_are_no_keys_and_strangers_are_named() {
        let environment = ["KUBETAPE_CONFIG", "KUBETAPE_SERVICE_HOST", "KUBETAPE_PORT_8443_TCP_ADDR", "KUBETAPE_NAME"];
        let environment = environment.map(|name| (name.to_owned(), "x".to_owned())).into();
        assert_eq!(overrides(&environment).unwrap().1, ["KUBETAPE_NAME"]);
    }
}
