/**
 * Lets everything else that is due go first. Work on very many pieces that are all there would otherwise keep it waiting:
 * awaiting what is there already is no pause.
 */
export const nextTurn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0))
