//! x
use super::*;

#[tokio::test]
async fn speed() {
    let engine = database("speed", "CREATE TABLE t AS SELECT n, n::text||'abc' a, n*1.5 b, now() c, n%2=0 d, 'sdfsdf'||n e, n f,n g,n h,n i FROM generate_series(1, 1000) n");
    for (q, n) in [("SELECT 1", 2000), ("SELECT * FROM t", 200)] {
        ask(&engine, q).await;
        let b = Instant::now();
        for _ in 0..n { let mut r = Rows { limit: Some(1000), ..Rows::default() }; engine.run(&run(q), &mut r).await.unwrap(); }
        println!("{q}: {:?}", b.elapsed() / n);
    }
    use sqlx::{Connection, ConnectOptions, Executor};
    let mut c = sqlx::PgConnection::connect_with(&<sqlx::postgres::PgConnectOptions as std::str::FromStr>::from_str(&server().url(READER, "speed")).unwrap().password(PASSWORD).ssl_root_cert(server().authority()).ssl_mode(sqlx::postgres::PgSslMode::VerifyFull).disable_statement_logging()).await.unwrap();
    for (q, n) in [("SELECT 1", 2000), ("SELECT * FROM t", 200)] {
        let b = Instant::now();
        for _ in 0..n {
            c.execute(sqlx::raw_sql("BEGIN READ ONLY")).await.unwrap();
            c.fetch_all(sqlx::query(q)).await.unwrap();
            c.execute(sqlx::raw_sql("ROLLBACK")).await.unwrap();
        }
        println!("bare {q}: {:?}", b.elapsed() / n);
    }
}
