/** 4 MiB that tell which key they were stored under. */
export const contentOf = (key: string): Buffer => Buffer.alloc(4 * 1024 * 1024, `${key} `)
