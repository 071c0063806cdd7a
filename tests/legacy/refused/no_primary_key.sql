-- A log without a key: two equal rows cannot be told apart.
ALTER TABLE public.resource_usage DROP CONSTRAINT resource_usage_pkey;
