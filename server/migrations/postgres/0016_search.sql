-- When an order changed the last time; 0: never since it was placed. A hold does not write it.
ALTER TABLE orders ADD COLUMN changed_ms bigint NOT NULL DEFAULT 0;

-- By which texts orders are found. Filled by a task beside the sale. Declared in
-- `store/records/order_search.rs`; a test compares.
CREATE TABLE order_search (
    text     text COLLATE "C" NOT NULL,
    event    bigint NOT NULL,
    order_id bytea NOT NULL,
    PRIMARY KEY (text, event, order_id)
);

-- How far that task is.
CREATE TABLE search_progress (
    one        bigint NOT NULL,
    done       bytea NOT NULL,
    generation bigint NOT NULL,
    PRIMARY KEY (one)
);
