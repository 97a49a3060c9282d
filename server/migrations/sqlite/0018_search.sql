-- When an order changed the last time; 0: not since this column came. A new order has the time at which it was
-- placed, so that its row keeps its size: one that grows may be copied, and what is erased later stays in the copy.
ALTER TABLE orders ADD COLUMN changed_ms INTEGER NOT NULL DEFAULT 0;

-- By which texts orders are found. Filled by a task beside the sale. Declared in
-- `store/records/order_search.rs`; a test compares.
CREATE TABLE order_search (
    text     TEXT NOT NULL,
    event    INTEGER NOT NULL,
    order_id BLOB NOT NULL,
    PRIMARY KEY (text, event, order_id)
) STRICT, WITHOUT ROWID;

-- How far that task is.
CREATE TABLE search_progress (
    one        INTEGER NOT NULL,
    done       BLOB NOT NULL,
    generation INTEGER NOT NULL,
    PRIMARY KEY (one)
) STRICT, WITHOUT ROWID;
