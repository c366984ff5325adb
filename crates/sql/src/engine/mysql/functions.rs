//! The functions that a statement may call: those of the server that only compute.
//!
//! MySQL and MariaDB have no catalogue of what their functions may do, so this is a list, and
//! what is not on it is refused. Left out on purpose: what waits, locks, counts or keeps
//! something (`SLEEP`, `BENCHMARK`, `GET_LOCK`, `UUID_SHORT`, `LAST_INSERT_ID`, `NEXTVAL`),
//! what reads files or the server's state (`LOAD_FILE`, `MASTER_POS_WAIT`, `ROW_COUNT`), and
//! what is made to be slow or handles keys (`KDF`, `ENCRYPT`, `DES_ENCRYPT`).

use std::collections::BTreeSet;
use std::sync::LazyLock;

use contract::ToolError;

use super::failure::denied;
use super::lexer::Lexed;
use super::pattern;
use sqlparser::tokenizer::Token;

/// Most characters that `REPEAT`, `SPACE`, `LPAD` and `RPAD` may be asked for.
pub(super) const LONGEST: i64 = 65_536;
/// What is added and taken away again, so that a larger number overflows, which is an error.
pub(super) const GUARD: &str = "9223372036854710271";

/// Functions that compute, in lower case.
const COMPUTING: &str = "\
    abs acos add_months adddate addtime aes_decrypt aes_encrypt any_value area asbinary ascii \
    asin astext aswkb aswkt atan atan2 avg bin bin_to_uuid bit_and bit_count bit_length bit_or \
    bit_xor boundary buffer cast ceil ceiling centroid char char_length character_length charset \
    chr coalesce coercibility collation column_check column_exists column_get column_json \
    column_list compress concat concat_ws connection_id contains conv convert convert_tz \
    convexhull cos cot count crc32 crc32c crosses cume_dist curdate current_date current_role \
    current_time current_timestamp current_user curtime database date date_add date_format \
    date_sub datediff day dayname dayofmonth dayofweek dayofyear decode_oracle degrees \
    dense_rank dimension disjoint elt endpoint envelope equals exp export_set exteriorring \
    extract extractvalue field find_in_set first_value floor format format_bytes \
    format_pico_time from_base64 from_days from_unixtime geometryn geometrytype get_format \
    glength greatest group_concat grouping hex hour if ifnull inet6_aton inet6_ntoa inet_aton \
    inet_ntoa insert instr interiorringn intersects interval is_ipv4 is_ipv4_compat \
    is_ipv4_mapped is_ipv6 is_uuid isclosed isempty isnull isring issimple json_array \
    json_array_append json_array_insert json_array_intersect json_arrayagg json_compact \
    json_contains json_contains_path json_depth json_detailed json_equals json_exists \
    json_extract json_insert json_keys json_length json_loose json_merge json_merge_patch \
    json_merge_preserve json_normalize json_object json_object_filter_keys json_object_to_array \
    json_objectagg json_overlaps json_pretty json_query json_quote json_remove json_replace \
    json_schema_valid json_search json_set json_storage_size json_table json_type json_unquote \
    json_valid json_value lag last_day last_value lcase lead least left length lengthb ln \
    localtime localtimestamp locate log log10 log2 lower lpad ltrim make_set makedate maketime \
    match max mbrcontains mbrequal mbrintersects mbrwithin md5 median microsecond mid min minute \
    mod month monthname months_between natural_sort_key now nth_value ntile nullif numgeometries \
    numinteriorrings numpoints nvl nvl2 oct octet_length ord overlaps percent_rank \
    percentile_cont percentile_disc period_add period_diff pi point pointn position pow power \
    quarter quote radians rand rank regexp_instr regexp_like regexp_replace regexp_substr repeat \
    replace reverse right round row_number rownum rpad rtrim schema sec_to_time second \
    session_user sformat sha sha1 sha2 sign sin soundex space sqrt srid st_area st_asbinary \
    st_asgeojson st_astext st_aswkb st_aswkt st_boundary st_buffer st_centroid st_contains \
    st_convexhull st_crosses st_difference st_dimension st_disjoint st_distance \
    st_distance_sphere st_endpoint st_envelope st_equals st_exteriorring st_geohash \
    st_geomcollfromtext st_geometryfromtext st_geometryn st_geometrytype st_geomfromgeojson \
    st_geomfromtext st_geomfromwkb st_interiorringn st_intersection st_intersects st_isclosed \
    st_isempty st_isring st_issimple st_isvalid st_latitude st_length st_linefromtext \
    st_longitude st_numgeometries st_numinteriorrings st_numpoints st_overlaps st_pointfromtext \
    st_pointn st_pointonsurface st_polyfromtext st_simplify st_srid st_startpoint \
    st_symdifference st_touches st_union st_within st_x st_y startpoint std stddev stddev_pop \
    stddev_samp str_to_date strcmp subdate substr substring substring_index subtime sum sysdate \
    system_user tan time time_format time_to_sec timediff timestamp timestampadd timestampdiff \
    to_base64 to_char to_days to_seconds touches trim truncate ucase uncompress \
    uncompressed_length unhex unix_timestamp updatexml upper user utc_date utc_time \
    utc_timestamp uuid uuid_to_bin var_pop var_samp variance version week weekday weekofyear \
    weight_string within x y year yearweek";

/// Words of the language that a parenthesis may follow; types among them.
const WORDS: &str = "\
    against all and any as between bigint binary bit by case character columns dec decimal \
    default div double datetime distinct distinctrow else escape except exists explain filter \
    float from group having high_priority in index int integer intersect is join key keys \
    lateral like limit mediumint nchar not numeric offset on or over partition path real regexp \
    rlike row select separator smallint some sql_big_result sql_buffer_result sql_no_cache \
    sql_small_result straight_join then tinyint union using values varbinary varchar when where \
    window xor";

/// Both lists.
static KNOWN: LazyLock<(BTreeSet<&str>, BTreeSet<&str>)> =
    LazyLock::new(|| (COMPUTING.split_whitespace().collect(), WORDS.split_whitespace().collect()));

/// Checks everything that looks like a call: a word with a parenthesis behind it. `declared`
/// says whether the name that begins at an offset is one the statement itself gives, such as
/// `recent (id, total) AS (…)`.
pub(super) fn check(
    lexed: &Lexed,
    home: Option<&str>,
    allowed: &[String],
    declared: impl Fn(usize) -> bool,
) -> Result<(), ToolError> {
    for (index, pair) in lexed.tokens.windows(2).enumerate() {
        let [first, second] = pair else { continue };
        let Token::Word(word) = &first.token else { continue };
        if second.token != Token::LParen || declared(super::lexer::bytes(first.span).start) {
            continue;
        }
        let name = word.value.to_lowercase();
        let is_known = KNOWN.0.contains(name.as_str());
        match qualifier(lexed, index) {
            Some(schema) => stored(&schema, &word.value, allowed)?,
            None if is_known => {}
            None if word.quote_style.is_none() && KNOWN.1.contains(name.as_str()) => {}
            None => stored(home.unwrap_or_default(), &word.value, allowed)?,
        }
    }
    Ok(())
}

/// The name before the dot before the token at `index`.
fn qualifier(lexed: &Lexed, index: usize) -> Option<String> {
    let dot = lexed.tokens.get(index.checked_sub(1)?)?;
    if dot.token != Token::Period {
        return None;
    }
    match &lexed.tokens.get(index.checked_sub(2)?)?.token {
        Token::Word(word) => Some(word.value.clone()),
        _ => Some(String::new()),
    }
}

/// A function that is not the server's own is called where the operator names it.
fn stored(schema: &str, name: &str, allowed: &[String]) -> Result<(), ToolError> {
    let whole = format!("{schema}.{name}").to_lowercase();
    if allowed.iter().any(|pattern| pattern::matches(&pattern.to_lowercase(), &whole)) {
        return Ok(());
    }
    Err(denied(format!(
        "the function {name} is refused: it may change, wait or read what a query may not, or \
         nobody has said that it does not. The server's computing functions (such as CONCAT, \
         ROUND, DATE_FORMAT, JSON_EXTRACT) and aggregates may be called; others, where the \
         operator lists them under `functions`.",
    )))
}

/// Which argument of a function says how long its result becomes.
pub(super) fn counting_argument(name: &str) -> Option<usize> {
    match name {
        "space" => Some(0),
        "repeat" | "lpad" | "rpad" => Some(1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::mysql::lexer::lex;

    fn check_call(statement: &str, is_allowed: bool) {
        let lexed = lex(statement).expect("it is divided");
        let result = check(&lexed, Some("shop"), &["shop.vat".to_owned()], |_| false);
        assert_eq!(result.is_ok(), is_allowed, "{statement}: {result:?}");
    }

    #[test]
    fn only_computing_functions_are_called() {
        check_call("SELECT COUNT(*), `count` (1), a IN (1), VALUES (1)", true);
        for name in ["sleep", "SLEEP", "`sleep`", "sleep ", "get_lock", "load_file", "`in`"] {
            check_call(&format!("SELECT {name}(1)"), false);
        }
        check_call("SELECT vat(1), shop.vat(1), `shop`.`VAT` (1)", true);
        check_call("SELECT other.vat(1)", false);
        check_call("SELECT shop.count(1)", false);
    }
}
