-- Usage is found by its entity and a number within it: no one column names a row.
ALTER TABLE public.resource_usage DROP CONSTRAINT resource_usage_pkey, ADD PRIMARY KEY (entity_type, entity_id, id);
