/** Files of an adapter folder. */
export const ADAPTER_FILES = { config: 'adapter_config.json', weights: 'adapter_model.safetensors' } as const;

/** PEFT prefixes the module paths of the base model. */
export const PREFIX = 'base_model.model.';
