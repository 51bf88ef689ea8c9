export const modelsPage = () => null;
export const modelPage = () => null;
