-- This deployment's id: one row, made once.
CREATE TABLE deployment (
    singleton bigint           NOT NULL PRIMARY KEY DEFAULT 1,
    id        text COLLATE "C" NOT NULL,
    CONSTRAINT deployment_singleton_check CHECK (singleton = 1)
);
