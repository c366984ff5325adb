//! Schemas for tests.

use crate::schema::{ForeignKey, Schema, Table, TableColumn, TableKind};

/// A table without anything.
pub(crate) fn table(schema: &str, name: &str) -> Table {
    Table {
        schema: schema.to_owned(),
        name: name.to_owned(),
        kind: TableKind::Table,
        comment: None,
        rows: None,
        columns: Vec::new(),
        primary: Vec::new(),
        foreign: Vec::new(),
        indexes: Vec::new(),
    }
}

/// A column without comment and default.
pub(crate) fn column(name: &str, type_name: &str, is_nullable: bool) -> TableColumn {
    TableColumn {
        name: name.to_owned(),
        type_name: type_name.to_owned(),
        is_nullable,
        default: None,
        comment: None,
        is_masked: false,
    }
}

const AREAS: [&str; 10] = [
    "analytics",
    "billing",
    "crm",
    "finance",
    "hr",
    "inventory",
    "logistics",
    "marketing",
    "sales",
    "support",
];
const THINGS: [&str; 20] = [
    "accounts",
    "addresses",
    "campaigns",
    "contacts",
    "customers",
    "discounts",
    "employees",
    "events",
    "invoices",
    "notes",
    "orders",
    "payments",
    "prices",
    "products",
    "returns",
    "sessions",
    "shipments",
    "suppliers",
    "tickets",
    "warehouses",
];
const COLUMNS: [(&str, &str); 18] = [
    ("amount", "numeric(12,2)"),
    ("country_code", "character(2)"),
    ("created_at", "timestamp with time zone"),
    ("currency", "text"),
    ("description", "text"),
    ("due_date", "date"),
    ("email", "character varying(255)"),
    ("external_id", "uuid"),
    ("is_active", "boolean"),
    ("metadata", "jsonb"),
    ("name", "text"),
    ("notes", "text"),
    ("quantity", "integer"),
    ("status", "text"),
    ("tax_rate", "double precision"),
    ("unit_price", "numeric(10,2)"),
    ("updated_at", "timestamp with time zone"),
    ("weight", "real"),
];

/// 200 tables with 2,335 columns, as an enterprise has them.
pub(crate) fn large() -> Schema {
    let mut tables = Vec::new();
    for (row, area) in AREAS.iter().enumerate() {
        for (place, thing) in THINGS.iter().enumerate() {
            let number = row * THINGS.len() + place;
            let mut one = table("public", &format!("{area}_{thing}"));
            one.rows = Some(number as u64 * 7_919 * 31);
            one.columns.push(column("id", "bigint", false));
            let others = 8 + number % 2 + usize::from(number < 35);
            for at in 0..others {
                let (name, type_name) = COLUMNS[(number * 5 + at * 7) % COLUMNS.len()];
                one.columns.push(column(name, type_name, at % 2 == 0));
            }
            one.primary.push("id".to_owned());
            for (name, to) in [("customer_id", "customers"), ("product_id", "products")] {
                one.columns.push(column(name, "bigint", name == "product_id"));
                one.foreign.push(ForeignKey {
                    columns: vec![name.to_owned()],
                    to: ("public".to_owned(), format!("{area}_{to}")),
                    to_columns: vec!["id".to_owned()],
                });
            }
            tables.push(one);
        }
    }
    Schema { home: "public".to_owned(), tables, enums: Vec::new() }
}
